"""Whether a fact is present, negated, possible, historical, or a relative's.

The method is that of NegEx (Chapman et al., J Biomed Inform 2001;34:301-310) and ConText (Harkema
et al., J Biomed Inform 2009;42:839-851): trigger phrases with a scope that ends at a conjunction,
a new verb or the sentence's end; pseudo-triggers that look like triggers and are none. The word
lists are our own. Knows nothing of what the facts are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from assistant.types import Assertion

_FLAGS = re.IGNORECASE

# Phrases that contain a trigger's words and negate nothing.
_PSEUDO = re.compile(
    r"\b(?:no (?:significant |appreciable |interval |further |recent |acute )?(?:increase|change|"
    r"changes|worsening|improvement|relief|response)\b(?! in appetite)|not only|not just|"
    r"without (?:difficulty|any difficulty|further|incident)|gram[- ]negative|no longer able|"
    r"not (?:certain|sure|clear|known) (?:if|whether)|not necessarily|not (?:well|adequately|fully|"
    r"completely|optimally) controlled|not controlled|no doubt|not improv\w*|not resolved|"
    r"not (?:been )?(?:compliant|getting|responding|improving|resolv\w*|relieved)|"
    r"does not (?:want|know|remember|help|like)|did not (?:help|improve|relieve)|"
    r"history of (?:the )?present(?:ing)?(?: illness| complaint)?|no known cause|negative pressure|"
    r"(?:\d+|one|two|three|four|five|six|several|few)[- ]*(?:days?|weeks?|months?|years?|hours?|hrs?|wks?|yrs?|d|h)?"
    r"[' s]*(?:-| )+history of|(?:long|longstanding|lifelong|strong)[- ]?(?:standing)? history of(?= tobacco| smok| alcohol)|"
    r"unable to (?:rule out|exclude)|no (?:one|idea)|not (?:at goal|due to)|cannot (?:walk|sleep|work|stop)|"
    r"not (?:had|have|has|get|got)(?: \w+){0,2} (?:improvement|relief|benefit|success)|(?:did|does|do) not take|"
    r"possible to|as (?:likely|possible)|if possible|as soon as possible|where possible)\b",
    _FLAGS,
)
_NEGATED_BEFORE = (
    r"no evidence of|no signs? of|no symptoms of|no suggestion of|no indication of|no history of|"
    r"no (?:known |past |prior |personal |previous )*(?:history|hx|h/o)(?: of)?|no family history of|"
    r"no(?: (?:current|acute|obvious|definite|significant|other|new|recent|active|focal|known|"
    r"complaints? of|reports? of|recurrence of|associated|further))*|denies(?: any| having| having had)?|denied(?: any)?|"
    r"denying|deny|without(?: any| evidence of| signs? of)?|w/o|negative for|neg for|negative(?= [A-Za-z])|neg|free of|"
    r"absence of|absent|doubt(?:ful)?|lack of|lacks|never(?: had| been| diagnosed with)?|not (?:have|had|having)(?: any)?|"
    r"(?:does|did|do|has|have|had|is|was|are|were)(?: not|n't)(?: have| had| report| endorse| appear to have| show| demonstrate| currently)?"
    r"(?: any)?|doesn't|didn't|hasn't|isn't|wasn't|not|nor|neither|no longer has|excludes?|ruled out for|rules out|fails to reveal|"
    r"unremarkable for|negatives? ?(?::|include)|pertinent negatives? ?(?::|include)?|"
    r"ruled out(?: for|:)|can rule out|r/o'd|rather than|instead of|\(-\)|[ø∅]|non"
)
_NEGATED_AFTER = (
    r"(?:has been |have been |was |were |is |are |been )?(?:ruled out|excluded|denied|absent|negative|"
    r"not (?:seen|present|identified|noted|appreciated|demonstrated|found|detected|reported|visualized|visualised|felt|palpated))|"
    r"(?:is |are |was |were |seems? |thought )?(?:very |highly |less |felt )?(?:to be )?unlikely|"
    r"(?::|-|=) ?(?:no|none|negative|neg|absent|denies|nil)\b|\(-\)|free\b"
)
_POSSIBLE_BEFORE = (
    r"possible|possibly|probable|probably|likely|most likely|suspected|suspect|suspects|suspicious for|"
    r"suspicion (?:of|for)|concern for|concerns? (?:for|about)|concerning for|concerned (?:for|about|that)|"
    r"may (?:have|be|represent|reflect|indicate|suggest)|might (?:have|be|represent)|could (?:have|be|represent|reflect)|maybe|perhaps|"
    r"r/o|rule out|rule-out|to exclude|cannot (?:exclude|rule out)|can't (?:exclude|rule out)|can not (?:exclude|rule out)|"
    r"could not (?:exclude|rule out)|not (?:ruled out|excluded)|unable to (?:exclude|rule out)|not rule out|"
    r"question of|questionable|query|equivocal for|presumed|presumptive|differential(?: diagnosis)?(?: includes?| is|:)?|ddx:?|"
    r"versus|vs\.?|consider|considering|consistent with|compatible with|suggestive of|suggests|suggesting|"
    r"appears? to (?:be|have)|appearance of|worrisome for|worried about|at risk (?:for|of)|risk (?:for|of)|risk factors for|risks? of (?:the )?(?:surgery|procedure|an(?:a)?esthesia)(?: include)?|complications include|"
    r"evaluat(?:e|ion|ing) (?:for|of)|assess(?:ment)? for|check(?:ed|ing)? for|screen(?:ed|ing)?(?: for)?|work ?-?up (?:for|of)|"
    r"monitor(?:ing)? for|watch(?:ing)? for|prophylaxis (?:for|against)|to prevent|prevent(?:ion of|ing)?|in case of|should (?:he|she|they|the patient|you|there)|"
    r"return (?:if|for|to)|call (?:if|for|us if)|if (?:he|she|they|you|the patient|there|any|symptoms|new|worsening|worse|fever|develops?|having|experiencing|needed for)|"
    r"looking for|precautions for|educated (?:on|about)|counsel(?:l?ed|ing)? (?:on|about|regarding)|\?"
)
_POSSIBLE_AFTER = (
    r"(?:is |are |was |remains? )(?:possible|probable|likely|suspected|questionable|in the differential|a possibility|a concern)|"
    r"(?:possible|probable|likely|suspected|questionable)(?=\s*(?:[.,;)]|$))|"
    r"(?:cannot|can not|can't|could not) be (?:excluded|ruled out)|(?:has |have )?not (?:been )?(?:ruled out|excluded)|"
    r"to be (?:ruled out|excluded)|vs\.?|versus|prophylaxis|screening|precautions|\?"
)
_HISTORICAL_BEFORE = (
    r"(?:past |prior |previous |known |remote |personal |significant )*(?:medical )?histor(?:y|ies)(?: is)?(?: positive| notable| significant| remarkable)?(?: of| for)|"
    r"h/o|hx(?: of)?|(?:with a )?history:|s/p|status[- ]post|previous|previously(?: had| diagnosed with)?|prior(?! to)|(?:in the )?past(?! (?:\w+ ){0,2}(?:days?|weeks?|months?|hours?|nights?|years?))|"
    r"former|formerly|old(?= (?:mi|stroke|cva|infarct\w*|fracture|lesion|injury))|remote|resolved|(?:was|been|previously) treated for|recovered from|childhood|as a child|years? ago|survivor of|hx"
)
_HISTORICAL_AFTER = (
    r",\s*(?:now|since|which (?:has|have)(?: since)?) (?:resolved|subsided|cleared)|"
    r"(?:has |have |had |now |is |are |was |since |completely |fully |has since )*(?:resolved|subsided|cleared|gone away)|in (?:19|20)\d\d|(?:\d+|one|two|three|four|five|six|several|many|few|a few|couple of|a couple of) "
    r"(?:years?|months?|yrs?) (?:ago|prior|back)|last year|years ago|as a (?:child|kid|teenager|baby)|in (?:childhood|the past)|"
    r"in remission|status post|s/p|- resolved|\(resolved\)|(?:19|20)\d\d\b"
)
_RELATIVE = (
    r"mother|father|mom|mum|dad|brothers?|sisters?|siblings?|parents?|grand(?:mother|father|parents?)|"
    r"(?:maternal|paternal)(?: grand(?:mother|father)| uncles?| aunts?| cousins?| side)?|aunts?|uncles?|cousins?|daughters?|sons?|children|"
    r"niece|nephew|[MP]G[MF]|G[MF]|family history(?: of| is positive for| is significant for| significant for| positive for)?|fhx?(?: of)?|family (?:members?|hx)|"
    r"half[- ](?:brother|sister)|twin|relatives?|(?:runs|run) in (?:the|his|her) family|both sides of the family"
)
# "Mother reports fever in the child": the relative tells, and isn't ill.
_TELLS = re.compile(
    r"\W*(?:\w+ly )?(?:reports?|states?|says|said|stated|reported|notes?|noted|noticed|denies|denied|"
    r"brought|brings|thinks|is concerned|was concerned|believes|gave|gives|called|describes|is here|accompan\w+|"
    r"who (?:reports|states|says)|has noticed|has noted|feels|is worried|also (?:reports|states|notes)|tells|at bedside|present|and father (?:report|state|deny|note)|'s (?:house|home)|lives)\b",
    _FLAGS,
)
# "Mother reports that her son has a fever": the son is the patient.
_PARENT_TELLS = re.compile(
    r"\b(?:mother|father|mom|mum|dad|parents?|grandmother|grandfather)\W+(?:\w+ly )?(?:reports?|states?|says|said|stated|reported|notes?|noted|noticed|brings|brought|is concerned|describes)\b",
    _FLAGS,
)
_NOT_ILL = re.compile(
    r"(?:lives? with|living with|per|by|from|with|accompanied by|brought (?:in )?by|according to|told|and) (?:(?:his|her|their|the|patient's|both) )*$",
    _FLAGS,
)
_STOPS = re.compile(
    r"\b(?:but|however|although|though|except|aside from|apart from|other than|yet|nevertheless|"
    r"secondary to|because|since|which|who|with the exception of|due to|otherwise|"
    r"before|prior to|(?:he|she|patient|pt|they|the patient) (?:is|was|has|had|does|did|reports?|states?|denies|also|presents?|complains|admits|endorses|takes|notes|now|currently|continues))\b|;|\)|\.\s|"
    r"(?:,|\band|/)\s*(?:(?:he|she|the patient|patient|pt|they|but|now|currently|also|there|then)\s+)*"
    r"(?:is|was|are|were|has|had|have|reports?|reported|complains?|endorses?|admits?|presents?|presented|states?|notes?|noted|"
    r"developed|takes|taking|started|continues?|positive|pos|denies|denied|no|not|without|negative|never|smokes|drinks|quit)\b|"
    r"\b(?:positive for|pos for|complains of|complaining of|presents with|presenting with|admits to|endorses|reports|reported|developed)\b|\n[ \t]*\n",
    _FLAGS,
)
_KEEP_LIST = re.compile(
    r"(?:,|\band|/)\s*(?:no|not|without|never|negative|denies|denied)\b", _FLAGS
)


_BEFORE: tuple[tuple[Assertion, re.Pattern[str]], ...] = (
    ("negated", re.compile(rf"(?<![\w-])(?:{_NEGATED_BEFORE})(?!\w)", _FLAGS)),
    ("possible", re.compile(rf"(?<![\w-])(?:{_POSSIBLE_BEFORE})(?!\w)|\?(?=\s?\w)", _FLAGS)),
    ("historical", re.compile(rf"(?<![\w-])(?:{_HISTORICAL_BEFORE})(?!\w)", _FLAGS)),
    ("family", re.compile(rf"(?<![\w-])(?:{_RELATIVE})(?!\w)", _FLAGS)),
)
_AFTER: tuple[tuple[Assertion, re.Pattern[str]], ...] = (
    ("negated", re.compile(rf"(?:(?<!\w)|(?=[:=-]))(?:{_NEGATED_AFTER})", _FLAGS)),
    ("possible", re.compile(rf"(?<!\w)(?:{_POSSIBLE_AFTER})(?!\w)", _FLAGS)),
    ("historical", re.compile(rf"(?:(?<!\w)|(?=,))(?:{_HISTORICAL_AFTER})(?!\w)", _FLAGS)),
    ("family", re.compile(r"\bin (?:(?:his|her|the|their|a) )*(?:" + _RELATIVE + r")\b|run(?:s)? in (?:the|his|her) family", _FLAGS)),
)  # fmt: skip
# "The cough started two months ago" is no past cough.
_BEGAN = re.compile(
    r"\b(?:start\w*|began|begun|onset|since|notic\w+|developed|present\w*|ha[sd] (?:had|been)|first|worse\w*)\b",
    _FLAGS,
)
# A trigger after the fact reaches back over this many characters at most.
_REACH_BACK = 60
# Words that a "history of" within the same negated phrase belongs to.
_CUE_ORDER: tuple[Assertion, ...] = ("negated", "family", "possible", "historical")


@dataclass(frozen=True, slots=True)
class Scope:
    """Where in a sentence a trigger holds, in the sentence's own offsets."""

    assertion: Assertion
    start: int
    end: int
    trigger: str


@lru_cache(maxsize=512)
def scopes(sentence: str) -> tuple[Scope, ...]:
    """Return the scopes of all triggers in a sentence."""
    masked = _PSEUDO.sub(lambda match: "~" * len(match.group()), sentence)
    stops = [(stop.start(), stop.end()) for stop in _STOPS.finditer(masked)]
    found = []
    doubts = [match.span() for match in _BEFORE[1][1].finditer(masked)]
    doubts_after = [match.span() for match in _AFTER[1][1].finditer(masked)]
    for assertion, rule in _BEFORE:
        for match in rule.finditer(masked):
            if assertion == "family" and _not_ill(masked, match):
                continue
            # "Cannot exclude" is doubt, though "exclude" alone denies.
            if assertion == "negated" and any(a <= match.start() < b for a, b in doubts):
                continue
            end = _next_stop(masked, stops, match, assertion)
            found.append(Scope(assertion, match.end(), end, match.group().lower().strip()))
    for assertion, rule in _AFTER:
        for match in rule.finditer(masked):
            if assertion == "negated" and any(a <= match.start() < b for a, b in doubts_after):
                continue
            if match.group().endswith(("ago", "prior", "back")) and _BEGAN.search(
                masked, 0, match.start()
            ):
                continue
            start = _last_stop(masked, stops, match.start(), assertion)
            found.append(Scope(assertion, start, match.start(), match.group().lower().strip()))
    return tuple(found)


def _not_ill(sentence: str, match: re.Match[str]) -> bool:
    child = re.match(r"sons?|daughters?|children", match.group(), _FLAGS)
    if child and _PARENT_TELLS.search(sentence, 0, match.start()):
        return True
    return bool(_TELLS.match(sentence, match.end()) or _NOT_ILL.search(sentence[: match.start()]))


def _next_stop(
    sentence: str, stops: list[tuple[int, int]], match: re.Match[str], assertion: Assertion
) -> int:
    for start, _ in stops:
        if start < match.end():
            continue
        if assertion == "family" and not _new_patient(sentence, start):
            continue
        if assertion == "negated" and _KEEP_LIST.match(sentence, start):
            continue
        return start
    return len(sentence)


def _new_patient(sentence: str, at: int) -> bool:
    """Whether the words at a stop turn from the relatives to the patient."""
    return bool(re.match(r"[;,.\s]*(?:but |and |however,? )*(?:the )?(?:patient|pt|he|she|personally)\b|but\b|;", sentence[at : at + 40], _FLAGS))  # fmt: skip


def _last_stop(sentence: str, stops: list[tuple[int, int]], at: int, assertion: Assertion) -> int:
    before = [end for _, end in stops if end <= at]
    start = max(before, default=0)
    if assertion != "family":
        # "Cough, fever negative", "HTN, MI 2012": what stands before a comma keeps its own state.
        start = max(start, sentence.rfind(",", 0, at) + 1, at - _REACH_BACK)
    return start


def assertion_at(sentence: str, start: int, end: int) -> tuple[Assertion, str]:
    """Return the assertion of `sentence[start:end]` and the trigger that decided, "" for present.

    Where several hold, negated comes before family, then possible, then historical.
    """
    held: dict[Assertion, Scope] = {}
    for scope in scopes(sentence):
        if scope.start <= start and end <= scope.end:
            held.setdefault(scope.assertion, scope)
            near = held[scope.assertion]
            if abs(scope.start - start) < abs(near.start - start):
                held[scope.assertion] = scope
    for assertion in _CUE_ORDER:
        if assertion in held:
            return assertion, held[assertion].trigger
    return "present", ""


def in_family(sentence: str, start: int, end: int) -> bool:
    """Whether a relative's scope covers `sentence[start:end]`, whatever else does."""
    return any(
        scope.assertion == "family" and scope.start <= start and end <= scope.end
        for scope in scopes(sentence)
    )
