"""PubMed by query: what comes, what is sent, and what a bad server or a kill does."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from retrieval import _eutils, pubmed
from retrieval.errors import ConfigError, InputError, SourceError
from retrieval.sources import Skipped
from retrieval.types import Document

_spec = importlib.util.spec_from_file_location(
    "eutils_server", Path(__file__).with_name("eutils_server.py")
)
assert _spec is not None
assert _spec.loader is not None
fake = importlib.util.module_from_spec(_spec)
sys.modules["eutils_server"] = fake
_spec.loader.exec_module(fake)

SEARCH, FETCH = "esearch.fcgi", "efetch.fcgi"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    eutils = fake.Eutils.of(50)
    running = fake.Running(eutils)
    yield eutils
    running.stop()


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(_eutils, "time", made)
    return made


class Case:
    """One client with its state folder, plans and pauses."""

    def __init__(self, server: Any, state: Path, **more: Any) -> None:
        self.server, self.state = server, state
        self.plans: list[pubmed.Plan] = []
        clock: Any = _eutils.time
        self.pauses: list[float] = clock.pauses
        self.asked = pubmed.Server(url=server.url, **{"timeout_s": 5.0, **more})
        self.pace = pubmed.Pace(page=10, in_hand=20, sleep=clock.sleep)

    def fetch(self, query: str = "salt", most: int = 1_000, **more: Any) -> Iterator[Any]:
        return pubmed.fetch(
            query, most, state=self.state, server=self.asked, announce=self.plans.append,
            pace=self.pace, **more,
        )  # fmt: skip

    def all(self, query: str = "salt", most: int = 1_000, **more: Any) -> list[Any]:
        return list(self.fetch(query, most, **more))


@pytest.fixture
def case(server: Any, tmp_path: Path) -> Case:
    return Case(server, tmp_path / "state")


def _pmids(items: list[Any]) -> list[str]:
    return [item.id.removeprefix("pmid:") for item in items if isinstance(item, Document)]


def test_every_match_comes_once_with_its_text(server: Any, case: Case) -> None:
    items = case.all("salt AND pressure")
    assert _pmids(items) == server.order
    assert "ate less salt" in items[3].sections[0].text
    assert case.plans == [
        pubmed.Plan("salt AND pressure", "salt AND pressure[All Fields]", 50, 50, 0, ())
    ]
    assert [data["retstart"] for data in server.requests(FETCH)] == ["0", "10", "20", "30", "40"]
    assert list(case.state.glob("*")) == []


def test_no_more_than_asked_for(server: Any, case: Case) -> None:
    assert _pmids(case.all(most=13)) == server.order[:13]
    assert (case.plans[0].found, case.plans[0].wanted) == (50, 13)
    assert server.requests(FETCH)[-1]["retmax"] == "3"


def test_the_query_is_sent_as_typed_and_the_key_never_in_a_url(server: Any, tmp_path: Path) -> None:
    case = Case(server, tmp_path, api_key="k3y", email="library@example.org")
    case.all('"salt"[tiab] & 50% <x>', most=5)
    for _, data in server.asked:
        assert (data["tool"], data["email"], data["api_key"]) == (
            "auscult", "library@example.org", "k3y",
        )  # fmt: skip
    assert server.requests(SEARCH)[0]["term"] == '"salt"[tiab] & 50% <x>'
    assert server.requests(SEARCH)[0]["sort"] == "relevance"
    assert not any("?" in path for path in server.paths)
    assert "k3y" not in repr(case.asked)


@pytest.mark.parametrize(("key", "pause"), [("", 0.34), ("k", 0.1)])
def test_the_rate_is_kept(server: Any, tmp_path: Path, key: str, pause: float) -> None:
    case = Case(server, tmp_path, api_key=key)
    case.all()
    assert case.pauses == pytest.approx([pause] * (len(server.asked) - 1))


def test_since_limits_the_date_of_entry(server: Any, case: Case) -> None:
    assert len(_pmids(case.all(since=date(2024, 12, 22)))) == 10
    assert server.requests(SEARCH)[0]["datetype"] == "edat"
    assert server.requests(SEARCH)[0]["mindate"] == "2024/12/22"


# Faults


@pytest.mark.parametrize("tool", [SEARCH, FETCH])
@pytest.mark.parametrize(
    "fault",
    [
        fake.status(429, '{"error":"API rate limit exceeded","count":"4"}', Retry_After="7"),
        fake.status(500, "<html>oops</html>"),
        fake.status(502),
        fake.cut,
        fake.cut_quietly,
        fake.body("<html><body>maintenance</body></html>"),
        fake.body(fake.error("Search Backend failed: timeout")),
        fake.body(""),
        fake.body('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><eSearchResult/>'),
    ],
)
def test_a_passing_fault_costs_a_retry_and_no_document(
    server: Any, case: Case, tool: str, fault: Any
) -> None:
    server.faults = [(tool, fault), (tool, fault)]
    assert _pmids(case.all()) == server.order
    assert server.faults == []


def test_retry_after_is_obeyed(server: Any, case: Case) -> None:
    server.faults = [(FETCH, fake.status(429, Retry_After="17"))]
    case.all()
    assert 17.0 in case.pauses


def test_a_long_retry_after_ends_the_run_with_one_sentence(server: Any, case: Case) -> None:
    server.faults = [(FETCH, fake.status(503, Retry_After="7200"))]
    with pytest.raises(SourceError, match="asks to wait 7200 seconds: run the same command again"):
        case.all()


def test_silence_is_a_fault(server: Any, tmp_path: Path) -> None:
    case = Case(server, tmp_path, timeout_s=0.3)
    server.faults = [(FETCH, fake.hang(0.8))]
    assert _pmids(case.all()) == server.order


def test_a_lasting_fault_ends_in_one_sentence(server: Any, case: Case) -> None:
    server.faults = [(FETCH, fake.status(500))] * 20
    with pytest.raises(SourceError, match=r"gave no usable answer in 6 tries \(HTTP 500\)"):
        case.all()
    assert len(server.requests(FETCH)) == 6
    assert [p for p in case.pauses if p >= 1] == [1, 2, 4, 8, 16]


def test_an_unreachable_server_is_one_sentence(tmp_path: Path) -> None:
    gone = fake.Eutils.of(1)
    fake.Running(gone).stop()
    case = Case(gone, tmp_path)
    with pytest.raises(SourceError, match=r"PubMed at 127\.0\.0\.1 can't be reached .*pubmed_url"):
        case.all()


@pytest.mark.parametrize("url", ["ftp://x.org/", "http://eutils.example.org/", "nonsense", ""])
def test_only_https_leaves_this_machine(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="is not an https address"):
        list(pubmed.fetch("salt", 5, state=tmp_path, server=pubmed.Server(url=url)))


def test_redirects_are_not_followed(server: Any, case: Case) -> None:
    server.faults = [(SEARCH, fake.status(302, Location="https://elsewhere.example/e?api_key=1"))]
    with pytest.raises(ConfigError, match=r"redirects to elsewhere\.example, which is not"):
        case.all()


@pytest.mark.parametrize("code", [200, 400])
def test_a_wrong_key_is_named_and_not_shown(server: Any, tmp_path: Path, code: int) -> None:
    case = Case(server, tmp_path, api_key="s3cret")
    text = (
        '{"error":"API key invalid","api-key":"s3cret"}'
        if code == 400
        else fake.error("API key invalid")
    )
    server.faults = [(FETCH, fake.status(code, text))]
    with pytest.raises(ConfigError, match="API key: mend pubmed_api_key") as caught:
        case.all()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("code", [200, 400])
def test_an_expired_history_is_searched_anew(server: Any, case: Case, code: int) -> None:
    def expired(eutils: Any, handler: Any, _: dict[str, str]) -> bool:
        eutils.histories.clear()
        text = fake.error("Cannot retrieve history data. query_key: 1, WebEnv: x")
        fake.reply(handler, text.encode(), code)
        return True

    stream = case.fetch()
    items = [next(stream) for _ in range(10)]
    server.faults = [(FETCH, expired)]
    items += list(stream)
    assert _pmids(items) == server.order
    assert len(server.requests(SEARCH)) == 2


def test_a_history_in_another_order_loses_and_doubles_nothing(server: Any, case: Case) -> None:
    stream = case.fetch()
    items = [next(stream) for _ in range(10)]
    server.histories.clear()
    server.order.reverse()
    server.entered["9"] = date(2025, 1, 1)
    server.order.insert(0, "9")
    items += list(stream)
    assert sorted(_pmids(items)) == [str(1000 + n) for n in range(50)]


def test_a_history_that_never_holds_is_done_without(server: Any, case: Case) -> None:
    server.faults = [(FETCH, fake.body(fake.error("Unable to obtain query #1")))] * 2
    assert _pmids(case.all()) == server.order
    assert any("id" in data for data in server.requests(FETCH))


def test_a_match_that_is_not_sent_is_reported(server: Any, case: Case) -> None:
    server.unsent = {"1003", "1017"}
    items = case.all()
    assert len(_pmids(items)) == 48
    assert [i.where for i in items if isinstance(i, Skipped)] == ["PMID 1003", "PMID 1017"]


def test_one_broken_record_costs_itself_only(server: Any, case: Case) -> None:
    server.broken = {"1014"}
    items = case.all()
    assert sorted(_pmids(items)) == [p for p in server.order if p != "1014"]
    skipped = [item for item in items if isinstance(item, Skipped)]
    assert [item.where for item in skipped] == ["PMID 1014"]
    assert "can't be read" in skipped[0].reason
    assert "answer.xml" not in skipped[0].reason


def test_records_that_were_not_asked_for_are_left_out(server: Any, case: Case) -> None:
    server.faults = [(FETCH, fake.body(fake.record_set(["1000", "66", "77"])))]
    assert sorted(_pmids(case.all())) == server.order


def test_a_lying_count_is_reported(server: Any, case: Case) -> None:
    answer = server.search({"term": "salt", "retmax": "99"}).replace(
        "<Count>50</Count>", "<Count>60</Count>"
    )
    server.faults = [(SEARCH, fake.body(answer))]
    items = case.all()
    assert len(_pmids(items)) == 50
    assert items[-1] == Skipped("PubMed", "it counted 60 matches and listed 50")


@pytest.mark.parametrize(
    "answer",
    [
        "<eSearchResult><Count>1</Count><IdList><Id>1&amp;db=x</Id></IdList></eSearchResult>",
        "<eSearchResult><Count>many</Count></eSearchResult>",
        "<eSearchResult><Count>1</Count>" + "<a>" * 5000,
        '<!DOCTYPE r [<!ENTITY x "y">]><eSearchResult><Count>&x;</Count></eSearchResult>',
    ],
)
def test_a_hostile_search_answer_is_refused(server: Any, case: Case, answer: str) -> None:
    server.faults = [(SEARCH, fake.body(answer))] * 6
    with pytest.raises(SourceError, match="gave no usable answer"):
        case.all()


def test_hostile_records_are_refused_in_bounded_time(server: Any, case: Case) -> None:
    bomb = '<!DOCTYPE PubmedArticleSet [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY a{n} "{"&a;" * 10 if n == 0 else f"&a{n - 1};" * 10}">' for n in range(9)
    )
    bomb += "]><PubmedArticleSet><PubmedArticle>&a8;</PubmedArticle></PubmedArticleSet>"
    server.faults = [(FETCH, fake.body(bomb))] * 500
    items = case.all(most=3)
    assert _pmids(items) == []
    assert [i.where for i in items] == ["PMID 1000", "PMID 1001", "PMID 1002"]


def test_an_answer_without_end_is_refused(
    server: Any, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_eutils, "MAX_PAGE_BYTES", 1 << 20)
    server.faults = [(FETCH, fake.body("<PubmedArticleSet>" + " " * (2 << 20)))]
    with pytest.raises(SourceError, match="sent more than 1 MB for one request"):
        case.all()


def test_a_dripping_answer_is_given_up(
    server: Any, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_eutils, "PATIENCE", -1)
    with pytest.raises(SourceError, match="too slowly"):
        case.all()


# The query


def test_nothing_found_says_what_pubmed_left_out(server: Any, case: Case) -> None:
    server.extra = "<ErrorList><PhraseNotFound>slat</PhraseNotFound></ErrorList>"
    with pytest.raises(InputError, match=r"finds nothing for 'nothing'.*phrase 'slat' and left"):
        case.all("nothing")


def test_what_pubmed_left_out_is_announced(server: Any, case: Case) -> None:
    server.extra = "<ErrorList><PhraseNotFound>slat</PhraseNotFound></ErrorList>"
    case.all()
    assert case.plans[0].warnings == ("PubMed doesn't know the phrase 'slat' and left it out.",)


@pytest.mark.parametrize(("query", "most"), [("", 5), ("  ", 5), ("salt", 0)])
def test_what_can_not_be_asked_is_refused_unsent(
    server: Any, case: Case, query: str, most: int
) -> None:
    with pytest.raises(InputError):
        case.all(query, most)
    assert server.asked == []


# Many matches


def test_many_matches_are_split_by_date_newest_first(
    server: Any, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pubmed, "LIMIT", 9)
    server.limit = 9
    items = case.all()
    assert sorted(_pmids(items)) == server.order
    assert all(isinstance(item, Document) for item in items)
    days = [server.entered[pmid] for pmid in _pmids(items)]
    assert days[0] == max(days)
    assert days[-1] == min(days)
    assert "newest first" in case.plans[0].warnings[0]
    assert _pmids(Case(server, case.state / "b").all(most=12))[0] == _pmids(items)[0]


def test_a_day_with_too_many_matches_is_reported(
    server: Any, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pubmed, "LIMIT", 9)
    server.limit = 9
    server.entered = dict.fromkeys(server.order, date(2024, 5, 1))
    items = case.all()
    assert _pmids(items) == server.order[:9]
    reasons = [item.reason for item in items if isinstance(item, Skipped)]
    assert reasons[0].startswith("50 matches entered on one day and only 9 are listed")


def test_counts_without_matches_end(
    server: Any, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pubmed, "LIMIT", 9)
    true = server.search
    monkeypatch.setattr(
        server,
        "search",
        lambda data: true(data) if "mindate" not in data else true({"term": "nothing"}),
    )
    assert isinstance(case.all(most=9)[0], Document)
    server.faults = [(SEARCH, lambda *_: False)]
    lie = "<eSearchResult><Count>90</Count><IdList/></eSearchResult>"
    server.faults += [(SEARCH, fake.body(lie))] * 99
    with pytest.raises(SourceError, match="counts matches and lists none"):
        case.all()


# Killed runs


def _interrupt(case: Case, documents: int, **more: Any) -> list[Any]:
    """Take some documents and drop the run as a kill does: nothing is cleaned up after it."""
    stream = case.fetch(**more)
    taken = [next(stream) for _ in range(documents)]
    stream.close()
    return taken


def test_a_killed_run_goes_on_and_says_so(server: Any, case: Case) -> None:
    before = _interrupt(case, 45)
    after = case.all()
    # 40 were handed out by whole pages; the caller may have held 20 of them unstored.
    assert case.plans[-1].resumed_from == 20
    assert _pmids(after) == server.order[20:]
    assert {*_pmids(before), *_pmids(after)} == set(server.order)
    assert len(server.requests(SEARCH)) == 1
    assert list(case.state.glob("*")) == []


def test_a_killed_run_goes_on_after_its_history_is_gone(server: Any, case: Case) -> None:
    _interrupt(case, 45)
    server.histories.clear()
    server.order.reverse()
    assert _pmids(case.all()) == sorted(server.order)[20:]


def test_what_a_caller_may_hold_is_never_counted_as_stored(server: Any, case: Case) -> None:
    for documents in (1, 10, 19, 20, 29):
        _interrupt(case, documents)
        assert not list(case.state.glob("*.json"))


def test_another_query_or_date_starts_anew(server: Any, case: Case) -> None:
    _interrupt(case, 45)
    assert len(_pmids(case.all("salt OR pepper"))) == 50
    assert len(_pmids(case.all(since=date(2024, 12, 22)))) == 10
    assert [plan.resumed_from for plan in case.plans] == [0, 0, 0]


def test_a_run_that_wants_less_than_was_taken_starts_anew(server: Any, case: Case) -> None:
    _interrupt(case, 45)
    assert _pmids(case.all(most=15)) == server.order[:15]
    assert case.plans[-1].resumed_from == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 9}', "null", "\xff"])
def test_a_damaged_state_costs_a_new_search_only(server: Any, case: Case, text: str) -> None:
    _interrupt(case, 45)
    (path,) = case.state.glob("*.json")
    path.write_bytes(text.encode("latin-1"))
    assert _pmids(case.all()) == server.order


def test_a_split_run_goes_on_in_its_window(
    server: Any, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pubmed, "LIMIT", 9)
    server.limit = 9
    before = _interrupt(case, 45)
    after = case.all()
    assert 0 < case.plans[-1].resumed_from <= 25
    assert len(after) == 50 - case.plans[-1].resumed_from
    assert {*_pmids(before), *_pmids(after)} == set(server.order)


def test_the_state_holds_no_key(server: Any, tmp_path: Path) -> None:
    case = Case(server, tmp_path / "s", api_key="s3cret", email="library@example.org")
    _interrupt(case, 45)
    (path,) = case.state.glob("*.json")
    text = path.read_text()
    assert "s3cret" not in text
    assert "library@" not in text
    assert path.stat().st_mode & 0o077 == 0
