"""The page's look as Gradio's theme variables; the rest is in `assets/page.css`."""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils import colors, fonts, sizes

# Regular and Bold are whole; the SemiBold files that come with Gradio lack most letters.
SANS = (
    fonts.LocalFont("IBM Plex Sans", weights=(400, 700)),
    "Noto Sans SC", "PingFang SC", "Microsoft YaHei", "system-ui", "sans-serif",
)  # fmt: skip
MONO = (fonts.LocalFont("IBM Plex Mono", weights=(400,)), "ui-monospace", "monospace")


def theme() -> gr.themes.Base:
    """Return the theme: fonts that come with Gradio, calm colours, light and dark."""
    return gr.themes.Base(
        primary_hue=colors.teal,
        neutral_hue=colors.slate,
        text_size=sizes.text_md,
        radius_size=sizes.radius_md,
        font=SANS,
        font_mono=MONO,
    ).set(
        body_background_fill="#f7f8f8",
        body_background_fill_dark="#101517",
        body_text_color="#1a2427",
        body_text_color_dark="#e3e9ea",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#171e21",
        background_fill_secondary="#f7f8f8",
        background_fill_secondary_dark="#101517",
        border_color_primary="#d7dedf",
        border_color_primary_dark="#2f3a3e",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        input_background_fill="#ffffff",
        input_background_fill_dark="#171e21",
        button_primary_background_fill="#0b5f66",
        button_primary_background_fill_hover="#084b51",
        button_primary_background_fill_dark="#3aa3aa",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#06181a",
    )
