from __future__ import annotations

from dataclasses import replace

from tests.ui import samples
from ui import marks


def test_sources_are_numbered_by_first_use_with_all_their_quotes() -> None:
    found = marks.sources(samples.answered())
    assert [(s.number, s.citation.key) for s in found] == [(1, "S1"), (2, "S2")]
    assert [q.quote for q in found[0].quotes] == ["Colchicine relieves a flare.", "Ice helps."]


def test_pieces_give_the_text_back_without_keys() -> None:
    pieces = marks.pieces(samples.answered())
    text = "".join(piece.text for piece in pieces)
    assert text == "Colchicine relieves a flare. Ice helps.\nRest the joint."
    assert [[n for n, _ in p.marks] for p in pieces if p.claim] == [[1], [1], [2]]


def test_a_claim_that_the_text_lacks_is_shown_all_the_same() -> None:
    answer = replace(samples.answered(), answer="Colchicine relieves a flare. [S1]")
    shown = [piece.text for piece in marks.pieces(answer) if piece.claim]
    assert shown == ["Colchicine relieves a flare.", "Ice helps.", "Rest the joint."]


def test_an_answer_without_claims_is_its_text() -> None:
    answer = replace(samples.answered(), claims=(), answer="Hello.")
    assert [(p.text, p.marks) for p in marks.pieces(answer)] == [("Hello.", ())]


def test_only_keys_are_taken_out_of_text() -> None:
    assert marks.plain("Give [2 mg] now [S1, R2]. See [1].") == "Give [2 mg] now. See [1]."
