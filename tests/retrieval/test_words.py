"""Words, their stems and their places."""

from __future__ import annotations

import difflib
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import words
from retrieval.types import Document


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("treatments", "treatment"),
        ("Treated", "treating"),
        ("anaemia", "anemia"),
        ("haemorrhage", "hemorrhage"),
        ("leukaemia", "leukemia"),
        ("hyperkalaemia", "hyperkalemia"),
        ("ischaemic", "ischemic"),
        ("oedema", "edema"),
        ("oesophagus", "esophagus"),
        ("diarrhoea", "diarrhea"),
        ("gonorrhoea", "gonorrhea"),
        ("paediatric", "pediatric"),
        ("tumours", "tumor"),
        ("foetal", "fetal"),
        ("hospitalised", "hospitalized"),
        ("Crohn's", "Crohn"),
        ("Parkinson’s", "parkinson's"),
        # Of these the library writes one form and a question may write the other.
        ("apnoea", "apnea"),
        ("dyspnoea", "dyspnea"),
        ("coeliac", "celiac"),
        ("oestrogen", "estrogen"),
        ("foetus", "fetus"),
        ("anaesthesia", "anesthesia"),
        ("faeces", "feces"),
        ("caesarean", "cesarean"),
    ],
)
def test_forms_of_one_word_share_a_stem(one: str, other: str) -> None:
    assert words.stem(one) == words.stem(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("hypertension", "hypotension"),
        ("hyperkalemia", "hypokalemia"),
        ("hyperthyroidism", "hypothyroidism"),
        ("B12", "B6"),
        ("hba1c", "hba2c"),
        ("prednisone", "prednisolone"),
        ("sulfasalazine", "sulfadiazine"),
    ],
)
def test_different_words_keep_different_stems(one: str, other: str) -> None:
    assert words.stem(one) != words.stem(other)


@pytest.mark.parametrize("word", ["hba1c", "b12", "covid19", "flu", "ecg", "uti"])
def test_codes_and_abbreviations_are_their_own_stems(word: str) -> None:
    assert words.stem(word) == word
    assert words.stem(word.upper()) == word


def test_words_carry_their_places() -> None:
    text = "Crohn's disease: 2.5 mg/day of beta_blocker"
    found = words.words(text)
    assert [w.text for w in found] == [
        "Crohn's", "disease", "2", "5", "mg", "day", "of", "beta", "blocker",
    ]  # fmt: skip
    assert all(text[w.start : w.end] == w.text for w in found)
    assert [w.stem for w in found] == words.stems(text)


def test_content_leaves_out_the_words_without_meaning() -> None:
    assert words.content("What is the treatment of an asthma attack?") == {
        words.stem("treatment"), "asthma", words.stem("attack"),
    }  # fmt: skip
    assert words.content("What's it? Who’s there? What is this, and why?") <= {"what", "who"}
    assert words.content("") == set()


def test_a_negation_is_not_a_word_that_carries_meaning_but_is_a_word() -> None:
    assert "not" in words.stems("do not give")
    assert words.content("do not give") == {"give"}


@settings(max_examples=80, derandomize=True, deadline=None)
@given(st.text(max_size=80))
def test_any_text_gives_words_at_their_places(text: str) -> None:
    found = words.words(text)
    assert all(text[w.start : w.end] == w.text for w in found)
    assert [w.stem for w in found] == words.stems(text)
    assert words.content(text) <= set(words.stems(text))


def test_threads_share_no_stemmer(whole_library: tuple[Document, ...]) -> None:
    vocabulary = sorted({w.text for d in whole_library[::3] for s in d.sections[:1]
                         for w in words.words(s.text)})  # fmt: skip
    assert len(vocabulary) > 500
    alone = [words.stem.__wrapped__(word) for word in vocabulary]
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: [words.stem.__wrapped__(w) for w in vocabulary], range(2)))
    assert all(run == alone for run in runs)


LISTED = ("asthma", "eczema", "anemia", "anaemic", "hypertension", "hypotension", "hypokalemia",
          "hyperkalemia", "metformin", "metoprolol", "zoster", "ventolin", "naïve", "β-blocker")  # fmt: skip


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.sampled_from(LISTED), st.integers(0, 12), st.sampled_from("aehimnotxzï-"), st.booleans())
def test_spellings_give_what_difflib_gives(word: str, at: int, letter: str, drop: bool) -> None:
    wrong = word[:at] + ("" if drop else letter) + word[at + 1 :]
    spellings = words.Spellings(LISTED)
    expected = difflib.get_close_matches(wrong, sorted(LISTED), n=1, cutoff=0.8)
    assert spellings.nearest(wrong, 0.8) == (expected[0] if expected else "")
    alike = [w for w in LISTED if w[0] == wrong[:1] and abs(len(w) - len(wrong)) <= 1]
    expected = difflib.get_close_matches(wrong, sorted(alike), n=1, cutoff=0.8)
    assert (
        spellings.nearest(wrong, 0.8, wrong[:1], spare=1) == (expected[0] if expected else "")
        or not wrong
    )


def test_spellings_know_words_and_beginnings() -> None:
    spellings = words.Spellings(LISTED)
    assert "zoster" in spellings
    assert "zost" not in spellings
    assert spellings.begins("zost")
    assert not spellings.begins("zosters")
    assert words.Spellings([]).nearest("asthma", 0.5) == ""


def test_a_large_vocabulary_is_searched_in_milliseconds() -> None:
    import random
    import time

    draw = random.Random(3)
    letters = "abcdefghijklmnopqrstuvwxyz"
    listed = {"".join(draw.choices(letters, k=draw.randint(4, 12))) for _ in range(100_000)}
    spellings = words.Spellings({*listed, "hyperkalemia"})
    assert spellings.nearest("hyperkalemai", 0.85, "h", spare=2) == "hyperkalemia"
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        spellings.nearest("hiperkalemia", 0.85, "h", spare=2)
        taken.append(time.perf_counter() - start)
    assert min(taken) < 0.02
