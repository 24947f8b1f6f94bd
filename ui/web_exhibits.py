"""What a finding's card shows and offers besides words: pictures, window presets, files to take away.

Each thing has an address: one on the shelf for a conversation's browser, or a data URI where there is
no server. Files are made when they are fetched. Knows nothing of HTML or Gradio.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from assistant.types import Attachment, Finding
from ui import model_cards, web_images
from ui.web_images import Upload
from ui.web_shelf import Item, Shelf

if TYPE_CHECKING:
    from assistant.app import Assistant

PACKAGE = "assistant.vision.outputs"
# Forms of a finding in the order of their buttons, with their MIME types.
FORMS = {
    "pdf": "application/pdf", "json": "application/json", "fhir": "application/fhir+json",
    "sr": "application/dicom", "capture": "application/dicom",
}  # fmt: skip
_OF_REFUSALS = ("pdf", "json", "fhir")
# One check at a time: it asks the classifier hundreds of times.
_CHECKING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Preset:
    """A window on an 8-bit picture: greys from `low` to `high` are stretched, then bent by `gamma`.

    Attributes:
        name: a key of `assistant.vision.windows.PRESETS`.
        low: the grey that shows black, in [0, 255].
        high: the grey that shows white.
        gamma: exponent of the stretched greys.
        address: of the picture in this window where the file's own values give it, else "".
    """

    name: str
    low: float = 0.0
    high: float = 255.0
    gamma: float = 1.0
    address: str = ""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """Addresses of a finding's pictures and files.

    Attributes:
        picture: the image as judged, or as uploaded where it was not judged; "" for none.
        size: its width and height in pixels, (0, 0) where not known.
        heat: the bare heatmap over it, grey; "" for none.
        presets: windows for it.
        downloads: form and address of each file that can be had.
        check: where an occlusion check can be asked for, or "".
        synthetic: whether the film is no patient's.
        judged: whether `picture` is the image as judged.
        card: of the model that judged, as `ui.model_cards.lines` gives it.
    """

    picture: str = ""
    size: tuple[int, int] = (0, 0)
    heat: str = ""
    presets: tuple[Preset, ...] = ()
    downloads: tuple[tuple[str, str], ...] = ()
    check: str = ""
    synthetic: bool = False
    judged: bool = False
    card: tuple[tuple[str, str], ...] = ()


def data_uri(png: bytes | None) -> str:
    """Return a PNG as a data URI; "" for none."""
    return "" if not png else "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def plain(finding: Finding) -> Exhibit:
    """Return what can be shown without a server."""
    return Exhibit(
        data_uri(finding.picture), heat=data_uri(finding.heat), judged=bool(finding.picture)
    )


def presets(png: bytes) -> tuple[tuple[Preset, ...], tuple[int, int]]:
    """Return windows for an 8-bit picture, as `assistant.vision.windows` has them, and its size."""
    import numpy as np

    from assistant.vision import windows

    pixels = web_images.grey(png)
    sample = pixels[:: max(1, len(pixels) // 512)]
    found = [Preset(windows.AS_STORED)]
    for name, preset in windows.PRESETS.items():
        if name != windows.AS_STORED:
            low, high = (float(v) for v in np.quantile(sample, (preset.low, preset.high)))
            found.append(Preset(name, round(low, 1), round(max(high, low + 1), 1), preset.gamma))
    return tuple(found), (pixels.shape[1], pixels.shape[0])


@dataclass(slots=True)
class Exhibits:
    """Puts what a conversation shows on the shelf, each thing once.

    Attributes:
        assistant: whose settings and judge are used.
        shelf: where things go.
        browser: who may fetch them.
        group: the conversation's mark.
        uploads: image attachments by the names that findings use.
    """

    assistant: Assistant
    shelf: Shelf
    browser: str
    group: str
    uploads: dict[str, Upload] = field(default_factory=dict)
    _addresses: dict[int, tuple[object, str]] = field(default_factory=dict)
    _known: dict[int, tuple[Finding, Exhibit]] = field(default_factory=dict)

    def add(self, attachment: Attachment) -> None:
        """Take in an attachment, so that findings on it can be shown with it."""
        if attachment.kind != "image":
            return
        found = web_images.upload(attachment, self.assistant.settings)
        # Findings name a film by its name, and by its id too where two share one.
        self.uploads[f"{attachment.name} ({attachment.id})"] = found
        self.uploads[attachment.name] = found

    def picture(self, name: str) -> str:
        """Return the address of an upload's picture by name, or ""."""
        found = self.uploads.get(name)
        return self.show(found.png) if found is not None else ""

    def show(self, png: bytes | None) -> str:
        """Return the address of a PNG, the same for the same object; "" for none."""
        if not png:
            return ""
        if id(png) not in self._addresses:
            address = self._put("image/png", lambda: png)
            self._addresses[id(png)] = (png, address)
        return self._addresses[id(png)][1]

    def of(self, finding: Finding) -> Exhibit:
        """Return a finding's exhibit."""
        if id(finding) not in self._known:
            self._known[id(finding)] = (finding, self._make(finding))
        return self._known[id(finding)][1]

    def _make(self, finding: Finding) -> Exhibit:
        upload = self.uploads.get(finding.image)
        whole = upload.png if upload is not None else b""
        png = web_images.sharper(whole, finding) or finding.picture or whole
        if not png:
            return Exhibit()
        found, size = presets(png)
        raw = upload is not None and upload.attachment.format == "dicom" and finding.heat is None
        if raw and upload is not None and not finding.picture:
            found = tuple(self._window(upload.attachment, preset) for preset in found)
        return Exhibit(
            picture=self.show(png),
            size=size,
            heat=self.show(finding.heat),
            presets=found,
            downloads=self._downloads(finding, upload),
            check=self._check(finding),
            synthetic=upload is not None and upload.synthetic,
            judged=bool(finding.picture),
            card=model_cards.lines(finding.model, self.assistant.settings),
        )

    def _window(self, attachment: Attachment, preset: Preset) -> Preset:
        """Return a preset whose picture is made from the file's own values."""

        def make() -> bytes:
            return web_images.upload(attachment, self.assistant.settings, preset.name).png

        return Preset(preset.name, address=self._put("image/png", make))

    def _downloads(self, finding: Finding, upload: Upload | None) -> tuple[tuple[str, str], ...]:
        if upload is None:
            return ()
        made = datetime.now(UTC).replace(microsecond=0)
        digest = sha256(upload.attachment.data).hexdigest()
        out = []
        for form, media in FORMS.items():
            if (finding.refused and form not in _OF_REFUSALS) or (
                form == "capture" and finding.heatmap is None
            ):
                continue
            # Of the film's contents, not of its file's name: those name patients.
            name = f"film-{digest[:8]}{_ENDINGS[form]}"
            make = self._writer(form, finding, upload.attachment, digest, made)
            out.append((form, self._put(media, make, name)))
        return tuple(out)

    def _writer(
        self, form: str, finding: Finding, attachment: Attachment, digest: str, made: datetime
    ) -> Callable[[], bytes]:
        settings = self.assistant.settings

        def make() -> bytes:
            from assistant.vision.decode import decode
            from assistant.vision.outputs import Context
            from retrieval import plugins
            from ui.commands._image_write import source_of

            dicom = attachment.format == "dicom"
            source = source_of(decode(attachment, settings)) if dicom else None
            context = Context(digest, made, settings.prevalence, source, name=finding.image)
            return bytes(plugins.load(PACKAGE, form).build().write(finding, context))

        return make

    def _check(self, finding: Finding) -> str:
        """Return where an occlusion check of a judged film can be asked for, or ""."""
        png = finding.picture
        if finding.refused or not png or len(finding.scores) > 2:
            return ""
        done: list[bytes] = []

        def make() -> bytes:
            with _CHECKING:
                if not done:
                    done.append(self._checked(finding, png))
            return done[0]

        return self._put("application/json", make, asked=True)

    def _checked(self, finding: Finding, png: bytes) -> bytes:
        import numpy as np

        from assistant.vision import heatmap, occlusion

        pixels = web_images.grey(png)
        read = self.assistant.resources.judge.reader(finding.label)
        heat = None if not finding.heat else web_images.grey(finding.heat) / np.float32(255)
        found = occlusion.check(read, pixels, heat)
        drawn = heatmap.bare(found.heat, pixels.shape) if found.heat.any() else b""
        said = {"heat": self.show(drawn), "said": found.words()}
        return json.dumps(said).encode()

    def _put(
        self, media: str, make: Callable[[], bytes], name: str = "", *, asked: bool = False
    ) -> str:
        return self.shelf.put(Item(self.browser, self.group, media, make, name, asked))


_ENDINGS = {
    "pdf": ".pdf", "json": ".finding.json", "fhir": ".fhir.json", "sr": ".sr.dcm",
    "capture": ".heatmap.dcm",
}  # fmt: skip
