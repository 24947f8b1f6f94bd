"""The report of an evaluation: one HTML file without scripts or outside references.

Readable in light and dark. Knows nothing of tasks beyond their figures and predictions.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

SHOWN = 40
CUT = 400
# Ends of a curve's upward axis.
_TOPS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d6dce4; --paper: #fff;
        --bar: #cfe0f5; --dot: #1f5fa8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e9f0; --soft: #9aa6b5; --line: #36404d; --paper: #14181e; --bar: #25415f;
          --dot: #7db6f5; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p, td.soft { color: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line);
         vertical-align: top; }
td.number { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }
td code { font-size: .85rem; overflow-wrap: anywhere; }
svg { width: 14rem; height: 1.2rem; display: block; }
svg.curve { width: min(36rem, 100%); height: auto; }
svg.curve text { font-size: 11px; fill: var(--soft); }
"""


def render(
    result: Mapping[str, Any], dataset: str, unit: str, predictions: Sequence[Mapping[str, Any]]
) -> str:
    """Return the page.

    Args:
        result: what metrics.json holds; `curves`, where it has some, are drawn: by name, two lists
            of equal length, the first across and the second up.
        dataset: name of the data.
        unit: what the intervals resample, in the plural.
        predictions: all of them; the first `SHOWN` are printed, cut to `CUT` characters.
    """
    title = f"Evaluation: {html.escape(str(result['task']))}"
    figures = "".join(_figure(name, m) for name, m in result["metrics"].items())
    drawn = "".join(_curve(name, c) for name, c in result.get("curves", {}).items())
    shown = "".join(
        f"<tr><td class='number'>{number}</td><td><code>{_cut(row)}</code></td></tr>"
        for number, row in enumerate(predictions[:SHOWN], 1)
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{_STYLE}</style></head><body>
<h1>{title}</h1>
<p>{html.escape(dataset)}, {result["n"]} samples. The bars are 95% bootstrap intervals over
{html.escape(unit)}, drawn from 0 to 1.</p>
<div class="wide"><table><thead><tr><th>Metric</th><th>Value</th><th>95% interval</th><th></th></tr>
</thead><tbody>{figures}</tbody></table></div>
{drawn}<h2>Predictions</h2>
<p>The first {min(SHOWN, len(predictions))} of {len(predictions)}; all are in predictions.jsonl.</p>
<div class="wide"><table><tbody>{shown}</tbody></table></div>
<h2>Environment</h2>{_pairs(result["environment"])}
<h2>SHA-256 of data and weights</h2>{_pairs(result["digests"])}
</body></html>
"""


def _figure(name: str, metric: Mapping[str, float | None]) -> str:
    value, low, high = metric["value"], metric["low"], metric["high"]
    label = html.escape(name)
    if value is None or low is None or high is None:
        return f"<tr><td>{label}</td><td class='number'>n/a</td><td class='soft'>n/a</td><td></td></tr>"
    left, right, at = (200 * min(max(x, 0.0), 1.0) for x in (low, high, value))
    return (
        f"<tr><td>{label}</td><td class='number'>{value:.3f}</td>"
        f"<td class='number'>{low:.3f} to {high:.3f}</td><td>"
        f"<svg viewBox='-4 0 208 20' role='img' aria-label='{label} {value:.3f}'>"
        "<line x1='0' y1='10' x2='200' y2='10' stroke='var(--line)'/>"
        f"<rect x='{left:.1f}' y='5' width='{max(right - left, 1):.1f}' height='10' rx='3' "
        "fill='var(--bar)'/>"
        f"<circle cx='{at:.1f}' cy='10' r='4' fill='var(--dot)'/></svg></td></tr>"
    )


def _curve(name: str, curve: Mapping[str, Sequence[float]]) -> str:
    """Return a line of values in [0, 1] across against values from 0 up to a round top."""
    (across, xs), (up, ys) = list(curve.items())[:2]
    if not xs:
        return ""
    top = next((t for t in _TOPS if max(ys) <= t), 1.0)
    line = " ".join(
        f"{50 + 500 * x:.1f},{220 - 200 * y / top:.1f}" for x, y in zip(xs, ys, strict=True)
    )
    grid = "".join(
        f"<line x1='50' x2='550' y1='{220 - 50 * step}' y2='{220 - 50 * step}' "
        f"stroke='var(--line)'/><text x='44' y='{224 - 50 * step}' text-anchor='end'>"
        f"{top * step / 4:.3g}</text>"
        f"<text x='{50 + 125 * step}' y='238' text-anchor='middle'>{step / 4:g}</text>"
        for step in range(5)
    )
    words = html.escape(f"{name}: {up} against {across}")
    return (
        f"<h2>{html.escape(name)}</h2><svg class='curve' viewBox='0 0 570 260' role='img' "
        f"aria-label='{words}'>{grid}"
        f"<polyline points='{line}' fill='none' stroke='var(--dot)' stroke-width='2'/>"
        f"<text x='300' y='256' text-anchor='middle'>{html.escape(across)}</text>"
        f"<text x='50' y='12'>{html.escape(up)}</text></svg>"
    )


def _pairs(values: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(str(k))}</td><td><code>{html.escape(str(v))}</code></td></tr>"
        for k, v in values.items()
    )
    return f"<div class='wide'><table><tbody>{rows}</tbody></table></div>"


def _cut(row: Mapping[str, Any]) -> str:
    text = json.dumps(row, ensure_ascii=False, default=str)
    return html.escape(text if len(text) <= CUT else text[: CUT - 1] + "…")
