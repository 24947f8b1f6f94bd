"""Persons' names: by title, by field, by signature, by relation, by age beside it, by the lists.

Promises that a name needs evidence: a capital alone is none. A word beside a disease, sign, test or
device is its eponym and stays. What was found once is found everywhere in the same text, so "Ms
Collins" also covers a later "Collins". Knows nothing of dates or numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from assistant.records import _deid_words as words

Found = tuple[int, int, str]
_TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*(?:-[^\W\d_]+(?:['’][^\W\d_]+)*)*")
_FIELD = re.compile(
    r"(?im)(?:^|[\n;|,(] ?|\. )[ \t>*•-]*(?P<f>(?:patient|pt|client|child|mother|father|parent|spouse|guardian|"
    r"physician|doctor|provider|surgeon|attending|nurse|referring|emergency|contact|full|first|last|given|family|"
    r"middle|maiden|member|subscriber|witness|interpreter|legal|preferred)?(?:'s)?[ ]?name(?:s)?|patient|pt|attending(?: physician)?|"
    r"(?:primary care |referring |consulting |admitting |ordering )?(?:physician|provider|surgeon|pcp)|assistant surgeon|"
    r"anesthesiologist|anaesthetist|radiologist|pathologist|consultant|cardiologist|dictated by|transcribed by|"
    r"(?:electronically )?signed(?: by)?|reviewed by|authored by|author|next of kin|emergency contact|contact person|"
    r"witness(?:ed by)?|interpreter|guardian|caregiver|cc|dear|attn|sincerely|regards|yours truly|from|to|re|name of patient)"
    r"[ \t]*(?P<c>[:=,]|\n)[ \t\n]*(?=[^\W\d_])"
)  # fmt: skip
_SURE_FIELDS = re.compile(r"name|signed by|dictated|transcribed|next of kin|emergency contact|contact person", re.I)  # fmt: skip
_SAYS_NAME = re.compile(
    r"\b(?:(?:my|his|her|their|the|partner's|patient's|child's|whose|first|last) (?:\w+ )?name is|name's|goes by|"
    r"(?:is|was|am) (?:called|named)|name\?|under (?:the )?name(?: of)?|call me|signed|/s/|"
    r"named|surnamed|nicknamed)[ :]+(?=[^\W\d_])",
    re.I,
)
_AGED = re.compile(
    r"(?:['’]s)?,? (?:is|was|presents as|presented as)? ?(?:an? |now )?(?:[a-z]+ ){0,2}?(?:\d{1,3}|[a-z]+(?:-[a-z]+)?)[- ]?"
    r"(?:years?|yrs?|y/?o|month|week|day)s?[- ]?(?:old)?\b",
    re.I,
)
_DOES = re.compile(
    r" (?:is|was|has|had|presents|presented|reports|reported|denies|denied|states|stated|complains|complained|said|"
    r"says|told|came|underwent|notes|noted|endorses|endorsed|returns|returned|lives|works|called|asked|agrees|agreed|"
    r"will|would|does|did|feels|felt|takes|took|tolerated)\b"
)  # fmt: skip
_CREDENTIAL = re.compile(r"(?:\.? ?,? ?)(?P<c>[A-Z][A-Za-z.]{1,6}(?:-C)?)(?![\w])")
_GREETING = frozenset({"hi", "hello", "hey", "dear", "thanks", "bye", "goodbye"})
_BY = frozenset({"by", "with", "per", "to", "from", "and"})


@dataclass(frozen=True, slots=True)
class _Token:
    start: int
    end: int
    text: str

    @property
    def lower(self) -> str:
        return self.text.lower()

    @property
    def bare(self) -> str:
        """The word in lower case without a possessive ending."""
        return re.sub(r"['’]s?$", "", self.text.lower())

    @property
    def capital(self) -> bool:
        return self.text[0].isupper()


def find(text: str) -> Iterator[Found]:
    """Yield (start, end, "name") for each part of the text that names a person."""
    finder = _Finder(text)
    finder.by_titles()
    finder.by_fields()
    finder.by_runs()
    finder.everywhere()
    for start, end in finder.spans:
        yield start, end, "name"


class _Finder:
    """The words of one text and what is known of them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [_Token(m.start(), m.end(), m.group()) for m in _TOKEN.finditer(text)]
        letters = sum(c.isalpha() for c in text)
        capitals = sum(c.isupper() for c in text)
        self.small = capitals <= 0.002 * letters  # written without capitals
        self.shouted = letters > 0 and capitals > 0.8 * letters
        self.spans: list[tuple[int, int]] = []
        self.known: set[str] = set()
        self.at = {token.start: number for number, token in enumerate(self.tokens)}

    # What a token may be

    def gap(self, number: int) -> str:
        """Return what stands between a token and the next one."""
        if number + 1 >= len(self.tokens):
            return "\n\n"
        return self.text[self.tokens[number].end : self.tokens[number + 1].start]

    def is_initial(self, token: _Token) -> bool:
        return len(token.text) == 1 and token.capital and token.text not in "µ"

    def may_be_part(self, token: _Token, *, loose: bool = False) -> bool:
        """Whether a word may belong to a name that something else gives evidence of."""
        if len(token.text) < 2 or not (token.capital or loose):
            return False
        if words.blocked(token.bare) and token.bare not in words.EPONYMS:
            # "May" and "April" are words and names; the lists of names decide.
            sure = loose or token.bare not in words.medical()
            return self.listed(token) and sure
        return token.text[1:] != token.text[1:].upper() or len(token.text) > 3 or self.listed(token)

    def listed(self, token: _Token) -> bool:
        bare = token.bare
        return any(bare in names for names in (*words.given_names(), *words.surnames()))

    def run(self, first: int, *, loose: bool = False, most: int = 4) -> int:
        """Return the number of the token behind the name that begins at `first`."""
        number, taken = first, 0
        while number < len(self.tokens) and taken < most:
            token = self.tokens[number]
            if number > first and not self.joined(number - 1):
                break
            if (
                self.is_initial(token)
                or self.may_be_part(token, loose=loose)
                or (number > first and self.is_second(number))
            ):
                number, taken = number + 1, taken + (not self.is_initial(token))
            elif token.lower in words.PARTICLES and self.leads_on(number, loose=loose):
                number += 1
            else:
                break
        while number > first and self.is_initial(self.tokens[number - 1]) and taken == 0:
            number -= 1
        return number if taken else first

    def is_second(self, number: int) -> bool:
        """Whether a word such as "White" is a family name because a given name stands before it."""
        token, before = self.tokens[number], self.tokens[number - 1]
        given = before.bare in words.given_names()[0] or before.bare in words.given_names()[1]
        return token.capital and given and token.bare in words.surnames()[1]

    def leads_on(self, number: int, *, loose: bool) -> bool:
        after = number + 1
        if after >= len(self.tokens) or not self.joined(number):
            return False
        token = self.tokens[after]
        if token.lower in words.PARTICLES:
            return self.leads_on(after, loose=loose)
        return self.may_be_part(token, loose=loose)

    def joined(self, number: int) -> bool:
        """Whether a token and the next one may stand in one name."""
        gap = self.gap(number)
        if gap in {" ", "-"}:
            return True
        token = self.tokens[number]
        return bool(re.fullmatch(r"\. ?", gap)) and (
            self.is_initial(token) or token.lower in {"st", "jr", "sr"}
        )

    def is_eponym(self, first: int, last: int) -> bool:
        """Whether the words from `first` up to `last` name a disease, a test or a device."""
        if last < len(self.tokens) and self.gap(last - 1) in {" ", "-", "' ", "’ "}:
            if self.tokens[last].lower in words.HEADS:
                return True
            after = last + 1
            near = after < len(self.tokens) and self.gap(last) in {" ", "-"}
            if near and self.tokens[after].lower in words.HEADS and not self.tokens[last].capital:
                return any(token.bare in words.EPONYMS for token in self.tokens[first:last])
        return False

    # The rules

    def take(self, first: int, last: int) -> None:
        """Note the words from `first` up to `last` as a name."""
        if first >= last:
            return
        end = self.tokens[last - 1].end
        end -= len(self.tokens[last - 1].text) - len(
            re.sub(r"['’]s$", "", self.tokens[last - 1].text)
        )
        self.spans.append((self.tokens[first].start, end))
        for token in self.tokens[first:last]:
            if len(token.bare) > 2 and token.lower not in words.PARTICLES:
                self.known.add(token.bare)

    def by_titles(self) -> None:
        """Take what follows "Dr", "Mrs", a relation, and stands before "MD"."""
        for number, token in enumerate(self.tokens[:-1]):
            gap = self.gap(number)
            if token.lower in words.TITLES and re.fullmatch(r" ?\.? {0,2}", gap):
                short = token.lower in words.SHORT_TITLES
                if not (token.capital or short):
                    continue
                loose = short and not self.tokens[number + 1].capital
                if loose and not ("." in gap or self.listed(self.tokens[number + 1])):
                    continue
                last = self.run(number + 1, loose=loose, most=1 if loose else 3)
                self.take(number + 1, last)
            elif token.lower in words.RELATIONS and re.fullmatch(r",? ", gap):
                last = self.run(number + 1, most=2)
                names = self.tokens[number + 1 : last]
                if names and (gap == " " or self.listed(names[0])) and not self.is_eponym(number + 1, last):  # fmt: skip
                    self.take(number + 1, last)

    def by_fields(self) -> None:
        """Take the value of a name's field, and what "my name is" introduces."""
        for match in _FIELD.finditer(self.text):
            if match.group("c") == "\n" and not re.match(r"sincerely|regards|yours", match.group("f"), re.I):  # fmt: skip
                continue
            self._value(match.end(), sure=bool(_SURE_FIELDS.search(match.group("f"))))
        for match in _SAYS_NAME.finditer(self.text):
            self._value(match.end(), sure=False)

    def _value(self, offset: int, *, sure: bool) -> None:
        first = self.at.get(offset)
        if first is None:
            return
        if self.tokens[first].lower in words.TITLES and self.gap(first).strip(". ") == "":
            first += 1
        loose = sure and self.small
        last = self.run(first, loose=loose)
        # "Collins, Martha" in a field for a name.
        if last > first and last < len(self.tokens) and self.gap(last - 1) == ", ":
            rest = self.run(last, loose=loose, most=2)
            if sure or (rest > last and self.listed(self.tokens[last])):
                last = max(last, rest)
        if last > first and not self.is_eponym(first, last):
            self.take(first, last)

    def by_runs(self) -> None:
        """Take runs of words with capitals that the lists or their surroundings make a name."""
        number = 0
        while number < len(self.tokens):
            last = self.run(number, most=4)
            if last == number:
                self._small(number)
                number += 1
                continue
            if not self.is_eponym(number, last) and self._is_name(number, last):
                self.take(number, last)
            number = last

    def _small(self, number: int) -> None:
        """Take a sure given name in a text that is written without capitals."""
        token = self.tokens[number]
        if not self.small or len(token.bare) < 3:
            return
        last = number + 1
        if last < len(self.tokens) and self.joined(number):
            after = self.tokens[last].bare
            family, words_too = words.surnames()
            last += int(after in family or (after in words_too and after not in words.common()))
        sure = token.bare in words.given_names()[0] or (
            token.bare in words.given_names()[1]
            and (
                self._greeted(number)
                or _AGED.match(self.text, self.tokens[last - 1].end) is not None
            )
        )
        if sure and not self.is_eponym(number, last):
            self.take(number, last)

    def _greeted(self, number: int) -> bool:
        near = number > 0 and re.fullmatch(r" ?,? ", self.gap(number - 1)) is not None
        return near and self.tokens[number - 1].lower in _GREETING

    def _is_name(self, first: int, last: int) -> bool:
        run = [token for token in self.tokens[first:last] if not self.is_initial(token)]
        if self._credential(last - 1) or self._strong(first, last, run):
            return True
        if any(token.bare in words.EPONYMS for token in run) and not self._given(run):
            return False
        if len(run) == 1:
            return self._single(first, last, run[0])
        return self._several(first, last, run)

    def _given(self, run: list[_Token]) -> bool:
        return run[0].bare in words.given_names()[0] and run[0].bare not in words.EPONYMS

    def _strong(self, first: int, last: int, run: list[_Token]) -> bool:
        """Whether an age beside the words makes them a person's."""
        if not _AGED.match(self.text, self.tokens[last - 1].end):
            return False
        begins = first == 0 or not self.joined(first - 1)
        odd = any(words.blocked(token.bare) and not self.listed(token) for token in run)
        return begins and not odd and (len(run) > 1 or self.listed(run[0]))

    def _credential(self, number: int) -> bool:
        if (
            self.tokens[number].text.isupper()
            and not self.shouted
            and len(self.tokens[number].text) < 6
        ):
            return False
        match = _CREDENTIAL.match(self.text, self.tokens[number].end)
        if not match or match.group("c").rstrip(".").replace(".", "") not in words.CREDENTIALS:
            return False
        between = self.text[self.tokens[number].end : match.start("c")]
        return "," in between or match.group("c") in {"MD", "M.D.", "RN", "PhD"}

    def _single(self, first: int, last: int, token: _Token) -> bool:
        bare = token.bare
        if "-" in bare or (token.text.isupper() and not self.shouted and len(bare) < 5):
            return False
        if first and self.is_initial(self.tokens[first]):
            return bare in words.surnames()[0] and bare not in words.EPONYMS
        if bare in words.given_names()[0]:
            return True
        behind = self.tokens[first - 1] if first else None
        near = behind is not None and re.fullmatch(r",? ", self.gap(first - 1)) is not None
        if bare in words.surnames()[0]:
            if _DOES.match(self.text, token.end):
                return True
            return near and behind is not None and behind.lower in _BY and len(bare) > 3
        return bare in words.given_names()[1] and self._greeted(first)

    def _several(self, first: int, last: int, run: list[_Token]) -> bool:
        given, unsure = words.given_names()
        family, words_too = words.surnames()
        heads, tail = run[0].bare, run[-1].bare
        if heads in given:
            return True
        if heads in unsure and (tail in family or tail in words_too):
            return True
        if any("-" in self.gap(number) for number in range(first, last - 1)):
            return False
        if tail in family and not run[0].text.isupper():
            return not words.blocked(heads)
        initials = [number for number in range(first + 1, last - 1) if self.is_initial(self.tokens[number])]  # fmt: skip
        if any("." in self.gap(number) for number in initials):
            return True
        if initials and (self.listed(run[0]) or self.listed(run[-1])):
            return True
        # Letters with marks are rare in English and usual in names.
        return any(not token.text.isascii() for token in run) and run[0].text[0].isascii()

    def everywhere(self) -> None:
        """Take the other places of the names that were found."""
        taken = set(self.spans)
        covered = {start for start, _ in taken}
        plain = words.given_names()[1] | words.surnames()[1] | words.EPONYMS | words.common()
        known = {word for word in self.known if word not in plain and word not in words.medical()}
        capital = {word for word in self.known - known if word not in words.common() and word not in words.medical()}  # fmt: skip
        for number, token in enumerate(self.tokens):
            if token.start in covered or self.is_eponym(number, number + 1):
                continue
            if (token.bare in known and (token.capital or self.small)) or (
                token.bare in capital and token.capital and self._mid_sentence(number)
            ):
                self.take(number, number + 1)

    def _mid_sentence(self, number: int) -> bool:
        """Whether a capital is there for the word's own sake."""
        return number > 0 and bool(re.fullmatch(r",? ", self.gap(number - 1)))
