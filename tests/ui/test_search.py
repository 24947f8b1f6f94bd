"""`auscult search`: what can be asked for, and how hits are printed."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assistant.app import Assistant
from assistant.errors import InputError
from retrieval.queries import understand
from retrieval.search import Explanation
from retrieval.types import Hit, Passage
from ui import cli
from ui.commands import search

TEXT = "Gout is common. Allopurinol lowers uric acid. Patients were followed for a year."
PASSAGE = Passage(
    id="pmid:1#0", document="pmid:1", title="Allopurinol in gout", section="Results", aspect="",
    text=TEXT, source="PubMed", url="https://example.org/1", year=2019, journal="Lancet",
    evidence="trial", language="en", status="retracted", collection="ward",
)  # fmt: skip
HIT = Hit(
    PASSAGE,
    0.95,
    (("dense", 0.8), ("lexical", 7.5), ("rerank", 0.6), ("fused", 1.0), ("reranked", 0.2),
     ("status", -0.25)),
    (16, 45),
)  # fmt: skip
FOUND = Explanation(understand("MI and gout"), (HIT,), ("One note.",))


def printed(found: Explanation, *, explain: bool = False) -> str:
    out = io.StringIO()
    search._print(out, found, explain=explain)
    return out.getvalue()


def test_a_hit_shows_title_source_sentence_and_url() -> None:
    lines = printed(FOUND).splitlines()
    assert lines[1] == "1. RETRACTED: Allopurinol in gout — Results"
    assert lines[2] == "   PubMed, Lancet 2019, trial · ward · score 0.950"
    text = " ".join(lines)
    assert "Gout is common. »Allopurinol lowers uric acid.« Patients were followed" in text
    assert lines[-1] == "   https://example.org/1"
    assert "One note." not in text


def test_the_explanation_sums_up() -> None:
    text = printed(FOUND, explain=True)
    assert text.startswith("One note.")
    lines = search.table(HIT)
    values = [float(line.split()[1]) for line in lines[:-1]]
    assert sum(values[:-1]) == pytest.approx(values[-1], abs=2e-3) == pytest.approx(HIT.score)
    assert lines[-1].split() == [
        "judges:",
        "dense",
        "0.800,",
        "lexical",
        "7.500,",
        "rerank",
        "0.600",
    ]
    assert all(line in text for line in lines)


def test_nothing_found_is_said() -> None:
    empty = Explanation(understand("zyxwv"), (), ())
    assert printed(empty) == "Nothing found: try other words or fewer filters.\n"


def test_text_is_never_markup() -> None:
    odd = Passage("a#0", "a", "[red]x[/red]", "", "", "\x1b[31mred[/] text", url="")
    text = printed(Explanation(understand("x"), (Hit(odd, 1.0),), ()))
    assert "[red]x[/red]" in text
    assert "\x1b" not in text


def test_json_holds_all_of_a_hit() -> None:
    value = json.loads(json.dumps(search.as_json("MI and gout", FOUND)))
    assert value["query"] == "MI and gout"
    (row,) = value["hits"]
    assert row["sentence"] == "Allopurinol lowers uric acid."
    assert row["sentence_span"] == [16, 45]
    assert (row["rank"], row["status"], row["year"], row["collection"]) == (
        1, "retracted", 2019, "ward",
    )  # fmt: skip
    assert row["parts"]["status"] == -0.25


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("", (None, None)),
        ("2015-", (2015, None)),
        ("-2010", (None, 2010)),
        ("2015-2020", (2015, 2020)),
        ("2015–2020", (2015, 2020)),
        ("2015", (2015, 2015)),
    ],
)
def test_years_are_read(text: str, span: tuple[int | None, int | None]) -> None:
    assert search.years(text) == span


@pytest.mark.parametrize("text", ["-", "20", "2015 2020", "2020-2015", "since 2015", "2015-16"])
def test_years_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="2015-"):
        search.years(text)


def test_an_unknown_level_of_evidence_is_refused() -> None:
    with pytest.raises(InputError, match="systematic_review"):
        search.filters_of(search.Options(evidence=("rct",)))


def test_bad_options_are_refused_before_anything_loads(tmp_path: Path) -> None:
    config = tmp_path / "auscult.toml"
    config.write_text(f'state_dir = "{tmp_path}/state"\n', encoding="utf-8")
    for words in ([" "], ["gout", "--year", "soon"], ["gout", "--evidence", "rct"]):
        done = CliRunner().invoke(cli.app, ["search", *words], obj=cli.Invocation(config))
        assert isinstance(done.exception, InputError)
    assert not (tmp_path / "state").exists()


def test_help_names_the_options() -> None:
    done = CliRunner().invoke(cli.app, ["search", "--help"], prog_name="auscult")
    assert done.exit_code == 0
    for option in (
        "--year",
        "--evidence",
        "--no-retracted",
        "--prefer",
        "--collection",
        "--explain",
    ):
        assert option in done.output


@pytest.mark.slow
def test_the_library_is_searched_as_it_is_spelt(assistant: Assistant) -> None:
    options = search.Options(k=3, mode="fused")
    prepared = search._prepared(assistant.resources, "metfromin hydrochlorde dose", options)
    searcher, written, notes = prepared
    found = search._search(searcher, written, options, search.filters_of(options))
    assert found.hits[0].passage.document == "metformin"
    assert notes
    with pytest.raises(InputError, match="ward"):
        search._prepared(assistant.resources, "x", search.Options(collections=("ward",)))
