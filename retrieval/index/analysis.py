"""Text as the lexical index counts it: one spelling a word, and words where a script has none.

`analyse` prepares what is indexed, `terms` what is asked; both return plain words with spaces,
which tantivy's `en_stem` tokenizer then splits, lowers and stems. Knows nothing of ranking.

Runs of Chinese, Japanese and Korean signs become overlapping pairs and single signs, as in Lucene's
CJKBigramFilter with unigrams: that found more than dictionary words did. Full-width forms, accents,
Greek letters and British spellings take one form, and digits leave the letters before them, so that
IL6 meets IL-6. Function words are dropped from queries only.
"""

from __future__ import annotations

import re
import unicodedata

from retrieval import words

# Kept in an index's manifest: an index made by another version asks for a rebuild.
VERSION = 1

_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af]+")
_ACCENTED = re.compile("[\u00c0-\u024f\u0300-\u036f\u1e00-\u1eff]+")
_WORD = re.compile(r"[^\W_]+")
_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta",
    "η": "eta", "θ": "theta", "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu",
    "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma", "ς": "sigma", "τ": "tau", "υ": "upsilon",
    "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "ß": "beta",
}  # fmt: skip
_LETTER = re.compile(f"[{''.join(_GREEK)}]")
# Micrograms, micromoles, microlitres and micrometres, which are also written with a plain u.
_MICRO = re.compile(r"μ(?=(?:[glmu]|mol|gram)\b)")
# British spellings as parts of words, by the letters without which none of them can be there.
_BRITISH = {
    "ae": (
        ("haem", "hem"), ("aemi", "emi"), ("paed", "ped"), ("anaesth", "anesth"), ("faec", "fec"),
        ("caesar", "cesar"), ("gynaec", "gynec"), ("aetiol", "etiol"), ("caec", "cec"),
        ("ischaem", "ischem"), ("palaeo", "paleo"),
    ),
    "oe": (
        ("oesoph", "esoph"), ("oedem", "edem"), ("rrhoea", "rrhea"), ("foet", "fet"),
        ("pnoe", "pne"), ("coeli", "celi"), ("oestr", "estr"),
    ),
    "our": (("tumour", "tumor"), ("behaviour", "behavior"), ("colour", "color")),
    "cocyt": (("leucocyt", "leukocyt"),),
    "sulph": (("sulph", "sulf"),),
    "inium": (("aluminium", "aluminum"),),
    "tre": (("fibre", "fiber"), ("litre", "liter"), ("centre", "center")),
}  # fmt: skip
_ISE = re.compile(r"is(?=(?:e[ds]?|ing|ation)\b)(?<=\w\w\wis)")
_OPERATORS = frozenset(["AND", "OR", "NOT"])
_DIGITS = re.compile(r"(?<=[a-z])(?=\d)")


def analyse(text: str) -> str:
    """Return a text as words with spaces between them, for the index."""
    lower = text.lower() if text.isascii() else _folded(text)
    for letters, pairs in _BRITISH.items():
        if letters in lower:
            for british, american in pairs:
                lower = lower.replace(british, american)
    return _DIGITS.sub(" ", _ISE.sub("iz", lower))


def terms(query: str) -> str:
    """Return a query as the words of `analyse`, without any sign that a query parser reads.

    Function words are left out, unless nothing else was asked or they are written in capitals
    behind a word that carries meaning, where they name something: hepatitis A, type I.
    """
    said = _WORD.findall(query)
    plain = [word.lower() in words.STOPWORDS for word in said]
    shouted = query.isupper()
    kept = [
        word
        for at, word in enumerate(said)
        if not plain[at]
        or (at and word.isupper() and not (shouted or plain[at - 1] or word in _OPERATORS))
    ]
    return " ".join(_WORD.findall(analyse(" ".join(kept or said))))


def _folded(text: str) -> str:
    """Return a text in lower case without full-width forms, accents and Greek letters."""
    lower = unicodedata.normalize("NFKC", text).lower()
    lower = _LETTER.sub(lambda m: _GREEK[m[0]], _MICRO.sub("u", lower))
    return _CJK.sub(_pairs, _ACCENTED.sub(_bare, lower))


def _bare(match: re.Match[str]) -> str:
    decomposed = unicodedata.normalize("NFD", match[0])
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def _pairs(match: re.Match[str]) -> str:
    run = match[0]
    pairs = [run[i : i + 2] for i in range(len(run) - 1)]
    return f" {' '.join([*pairs, *run])} "
