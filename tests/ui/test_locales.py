from __future__ import annotations

import string

import pytest

from ui import locales


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", locales.names())
def test_every_language_uses_known_keys_and_the_same_places(language: str) -> None:
    english, words = locales.words("en"), locales.words(language)
    assert words.keys() == english.keys()
    assert words["language"] == language
    assert {k: fields(v) for k, v in words.items()} == {k: fields(v) for k, v in english.items()}


def test_chinese_translates_what_a_reader_must_understand() -> None:
    english, chinese = locales.words("en"), locales.words("zh")
    needed = {"notice", "abstained", "research", "emergency", "not_judged", "negated", "family"}
    assert not {key for key in needed if english[key] == chinese[key]}


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,zh;q=0.9", "en"),
        ("fr-FR,zh;q=0.4", "zh"),
        ("en;q=0.2,zh;q=0.9", "zh"),
        ("xx;q=oops, ../../etc", "en"),
    ],
)
def test_the_language_is_the_one_wanted_most(header: str, language: str) -> None:
    assert locales.choose(header) == language
