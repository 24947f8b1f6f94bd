"""XML from strangers: read in constant memory, refused in one sentence and bounded time."""

from __future__ import annotations

import gzip
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from retrieval.errors import SourceError
from retrieval.sources import _xml
from retrieval.sources._markup import FORMULA, flat, raised

ROOT = Path(__file__).resolve().parents[2]
HEAD = b'<?xml version="1.0" encoding="utf-8"?>\n'


def texts(path: Path, limits: _xml.Limits = _xml.LIMITS) -> Iterator[str]:
    for element in _xml.records(path, ("r",), ("set",), "test file", limits):
        yield flat(element)


def write(folder: Path, data: bytes, name: str = "a.xml") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def refusal(path: Path, limits: _xml.Limits = _xml.LIMITS) -> str:
    began = time.monotonic()
    with pytest.raises(SourceError) as caught:
        list(texts(path, limits))
    assert time.monotonic() - began < 20
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("packed", [False, True])
def test_records_come_in_order(tmp_path: Path, packed: bool) -> None:
    data = HEAD + b"<set><x/><r>1</r><!-- <r>no</r> --><r>2<?pi r?></r><r><r>in</r></r></set>"
    path = write(tmp_path, gzip.compress(data) if packed else data)
    assert list(texts(path)) == ["1", "2", "in"]


def test_several_gzip_members_are_one_file(tmp_path: Path) -> None:
    data = gzip.compress(b"<set><r>1</r>") + gzip.compress(b"<r>2</r></set>")
    assert list(texts(write(tmp_path, data))) == ["1", "2"]


def test_other_encodings_are_read(tmp_path: Path) -> None:
    for encoding in ("utf-16", "iso-8859-1", "utf-8-sig"):
        name = encoding.replace("-sig", "")
        text = f'<?xml version="1.0" encoding="{name}"?><set><r>Bö</r></set>'
        assert list(texts(write(tmp_path, text.encode(encoding)))) == ["Bö"]


@pytest.mark.parametrize(
    "declaration",
    [
        '<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">',
        '<!ENTITY a SYSTEM "file:///etc/passwd">',
        '<!ENTITY a SYSTEM "http://127.0.0.1:9/x">',
        '<!ENTITY % a SYSTEM "http://127.0.0.1:9/x.dtd"> %a;',
        '<!ENTITY a SYSTEM "x.gif" NDATA gif>',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_before_anything_is_expanded(
    tmp_path: Path, declaration: str, encoding: str
) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE set [{declaration}]>'
    text += "<set><r>&b;</r></set>"
    assert "declares entities" in refusal(write(tmp_path, text.encode(encoding)))


def test_a_billion_laughs_costs_nothing(tmp_path: Path) -> None:
    lines = ['<!ENTITY a0 "ha">']
    lines += [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)]
    text = f"<!DOCTYPE set [{''.join(lines)}]><set x='&a9;'><r>&a9;</r></set>"
    assert "declares entities" in refusal(write(tmp_path, text.encode()))


def test_an_entity_of_an_external_dtd_is_shown_as_its_character(tmp_path: Path) -> None:
    data = b'<!DOCTYPE set SYSTEM "http://127.0.0.1:9/x.dtd"><set><r>&alpha;-blocker &nosuch;</r></set>'
    assert list(texts(write(tmp_path, data))) == ["α-blocker &nosuch;"]


BODY = b"".join(b"<r>%d</r>" % n for n in range(5000))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cut.xml", HEAD + b"<set>" + BODY + b"<r>cut"),
        ("torn.xml", HEAD + b"<set>" + BODY + b"<r></q></set>"),
        ("cut.xml.gz", gzip.compress(HEAD + b"<set>" + BODY + b"</set>")[:-40]),
    ],
)
def test_what_came_before_damage_is_handed_out(tmp_path: Path, name: str, data: bytes) -> None:
    path = write(tmp_path, data, name)
    stream = texts(path)
    assert [next(stream) for _ in range(4000)] == [str(n) for n in range(4000)]
    with pytest.raises(SourceError, match=name):
        list(stream)


def test_a_flipped_bit_in_gzip_is_refused(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(HEAD + b"<set>" + BODY + b"</set>"))
    data[len(data) // 2] ^= 0x10
    assert "flip.xml.gz" in refusal(write(tmp_path, bytes(data), "flip.xml.gz"))


@pytest.mark.parametrize(
    "data", [b"", b"not xml", b"\x00\xff" * 100, b"\x1f\x8b\x08\x00", b"<set>"]
)
def test_what_is_no_xml_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    assert "a.xml" in refusal(write(tmp_path, data))


def test_another_root_is_named(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, b"<html><r>1</r></html>"))
    assert "<html>" in message
    assert "test file" in message


def endless(folder: Path, head: bytes, piece: bytes, size: int = 200 << 20) -> Path:
    path = folder / "endless.xml"
    with path.open("wb") as stream:
        stream.write(head)
        for _ in range(size // len(piece)):
            stream.write(piece)
    return path


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"<set><r>", b"x" * 65536),
        (b'<set><r a="', b"x" * 65536),
        (b"<set><", b"x" * 65536),
        (b"<set><r>", b"<b>" + b"y" * 500 + b"</b>"),
        (b"<set><q>", b"<b/>" * 1000),
        (b"<!--", b"x" * 65536),
        (b'<set a="', b"x" * 65536),
    ],
    ids=["text", "attribute", "name", "children", "no record", "comment", "root attribute"],
)
def test_what_never_ends_is_refused_soon(tmp_path: Path, head: bytes, piece: bytes) -> None:
    path = endless(tmp_path, head, piece, 40 << 20)
    assert "endless.xml" in refusal(path, _xml.Limits(record_bytes=4 << 20))


def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    assert "a.xml" in refusal(write(tmp_path, b"<set><r>" + b"<b>" * 100_000))


def test_a_gzip_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_xml, "FREE_BYTES", 4 << 20)
    path = tmp_path / "bomb.xml.gz"
    with gzip.open(path, "wb", compresslevel=5) as stream:
        stream.write(b"<set>")
        for _ in range(600):
            stream.write(b"<r>" + b"x" * 100_000 + b"</r>")
    assert path.stat().st_size < 1 << 20
    assert "hostile" in refusal(path)
    plain = write(tmp_path, b"<set>" + b"<r>x</r>" * 100_000 + b"</set>", "plain.xml")
    assert "hostile" in refusal(plain, _xml.Limits(total_bytes=1 << 19))


MEMORY = """
import resource, sys
from pathlib import Path
from retrieval.sources import pubmed_xml
import lxml.etree
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = sum(1 for _ in pubmed_xml.build().read(Path(sys.argv[1])))
print(count, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


def _large(path: Path, size_mib: int) -> int:
    sample = (ROOT / "tests/retrieval/fixtures/pubmed.xml").read_text(encoding="utf-8")
    start, end = sample.index("<PubmedArticle>"), sample.index("</PubmedArticle>") + 16
    record = sample[start:end].encode() + b"\n"
    count = (size_mib << 20) // len(record)
    with path.open("wb") as stream:
        stream.write(b"<PubmedArticleSet>")
        for _ in range(count):
            stream.write(record)
        stream.write(b"</PubmedArticleSet>")
    return count


@pytest.mark.parametrize(
    "size_mib", [10, pytest.param(100, marks=pytest.mark.slow)], ids=["10 MiB", "100 MiB"]
)
def test_memory_stays_constant(tmp_path: Path, size_mib: int) -> None:
    count = _large(tmp_path / "large.xml", size_mib)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path / "large.xml")],
        capture_output=True, text=True, check=True, cwd=ROOT, timeout=280,
    )  # fmt: skip
    read, grown_mib = map(int, done.stdout.split())
    assert read == count
    assert grown_mib < 8


def inline(markup: str) -> str:
    return flat(etree.fromstring(f"<t xmlns:m='http://www.w3.org/1998/Math/MathML'>{markup}</t>"))


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("10<sup>9</sup>/L", "10⁹/L"),
        ("10<sup>−3</sup>", "10⁻³"),
        ("10<sup>6.5</sup>", "10^6.5"),
        ("kg/m<sup>2</sup>", "kg/m2"),
        ("Ca<sup>2+</sup>", "Ca2+"),
        ("the 1<sup>st</sup> day", "the 1st day"),
        ("<sup>131</sup>I", "131I"),
        ("CO<sub>2</sub> and β\n   <sub>2</sub>", "CO2 and β2"),
        ("<i>in <b>vivo</b></i>\u00a0work", "in vivo work"),
        ("<m:math><m:mfrac><m:mi>a</m:mi><m:mn>2</m:mn></m:mfrac></m:math>", "a/2"),
        ("<m:math><m:msqrt><m:mi>n</m:mi></m:msqrt></m:math>", "√(n)"),
        ("<m:math><m:mtable><m:mtr/></m:mtable></m:math>", FORMULA),
        ("<m:math/>", FORMULA),
    ],
)
def test_inline_markup_keeps_its_meaning(markup: str, text: str) -> None:
    assert inline(markup) == text


@settings(deadline=None)
@given(st.integers(0, 10**9), st.integers(-99, 99))
def test_a_power_never_becomes_another_number(base: int, power: int) -> None:
    text = raised(str(power), str(base))
    assert not any(c in "0123456789" for c in text)


PLAIN = st.text("ab cDé王丽β-,.12 ", max_size=20)


@settings(deadline=None)
@given(st.lists(st.tuples(PLAIN, st.sampled_from(["i", "b", "sub", "u", "sc"])), max_size=6))
def test_no_word_is_lost_or_invented_by_markup(parts: list[tuple[str, str]]) -> None:
    element = etree.Element("t")
    for text, tag in parts:
        etree.SubElement(element, tag).text = text
    assert "".join(flat(element).split()) == "".join("".join(t for t, _ in parts).split())
