"""What a question about a record asks for: kinds of facts, names, drug classes, topics.

Knows nothing of the record itself. English only; a question in another language asks for nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from assistant.records import lexicon
from assistant.types import FactKind

_I = re.IGNORECASE
# Words that point at one patient or at what was attached.
_PATIENT = re.compile(
    r"\b(?:(?:this|the|my|our) (?:patient|pt|record|chart|note|document|report|file|case|discharge summary|admission|bundle|attachment|upload|visit|history|letter)(?:'s)?|"
    r"(?:he|she|him|her|his|hers)\b|(?:attached|uploaded|above) (?:record|note|file|chart|document|text|report)|"
    r"(?:in|from|of|per) (?:the|this|that) (?:record|note|chart|file|document|report|attachment|text)|patient's|pt's|"
    r"(?:does|did|is|was|has|had|do|should|can|could|why was|why is|when was|how old is) (?:the )?(?:patient|pt)\b|(?:the )?(?:patient|pt) (?:is|was|has|had|taking|allergic|on)\b)",
    _I,
)
# Commands that make sense only with a record.
_COMMAND = re.compile(
    r"^\W*(?:please |can you |could you )*(?:(?:summari[sz]e|sum up|give (?:me )?(?:a |an )?(?:summary|overview) of|outline|read|review|extract|list|show)\b(?! (?:of )?(?:the )?(?:evidence|literature|guidelines?|studies|trials|treatments?|causes|types|side effects|options|risk factors|symptoms of|signs of)).{0,60}?"
    r"\b(?:records?|notes?|chart|patient|history|medications?|meds|allergies|problems?|labs?|results|document|file|diagnoses|vitals?|this|it|procedures)\b"
    r"|summary\b|(?:any|is there (?:any |a )?|are there (?:any )?)\s*(?:known |documented |past |prior |previous |family |recent )*(?:history|allerg|surger|procedures?|operations?|abnormal|medications?|diagnos|symptoms?|mention)"
    r"|(?:which|what) (?:\w+ ){1,3}(?:were|was|are being|is being|has been|have been) (?:stopped|started|given|prescribed|held|changed|discontinued|done|performed|found|ordered|noted|recorded|measured|documented)\b"
    r"|what (?:is|was) the (?:plan|assessment|impression|chief complaint|admission diagnosis|discharge diagnosis|diagnosis|reason for (?:admission|visit|the visit))\W*$|(?:abnormal|family|social|past|medical|surgical) (?:labs?|history|medical history|surgical history|results|values)\W*$|(?:any |known |documented |list (?:of )?|current |active |home |discharge )+(?:allergies|medications?|meds|problems?|diagnoses|labs?|vitals?)\W*$|"
    r"what (?:are|were) (?:the )?(?:current |home |discharge |active |known |latest |last |most recent |abnormal )*(?:allergies|medications?|meds|labs?|lab results|vitals?|vital signs|problems?|diagnoses)\W*$|"
    r"what(?:'s| is| was| were) the (?:last|latest|most recent|documented|current|admission|discharge)\b|(?:allergies|meds|medications|labs|vitals|problems)\s*\?*$)",
    _I,
)
_GENERAL = re.compile(
    r"\b(?:in general|typically|usually|guidelines?|evidence|literature|studies|trials?|in (?:patients|adults|children|people) with|patients with|women with|men with|for patients|in patients)\b",
    _I,
)
_HE_GENERIC = re.compile(r"\bhis bundle\b|\bbundle of his\b|\bhis-purkinje\b", _I)
# A pronoun that the question itself explains: "If a patient takes warfarin, can she eat spinach?"
_ANYONE = re.compile(
    r"\b(?:a|an|any) (?:\w+ ){0,3}(?:patient|woman|man|child|person|infant|adult)\b", _I
)

_KINDS: tuple[tuple[FactKind, re.Pattern[str]], ...] = (
    ("allergy", re.compile(r"\ballerg|\bintoleran|\bNKDA\b|\badverse (?:drug )?reaction|\breact(?:s|ed|ion)? (?:badly )?to\b", _I)),
    ("medication", re.compile(r"\bmedic(?:ation|ine)s?\b|\bmeds?\b|\bdrugs?\b(?! (?:use|abuse|allerg))|\bprescri|\bpills?\b|\btablets?\b|\btaking\b|\btakes?\b|\bdos(?:e|age|ing)\b|\bstopped\b|\bdiscontinued\b|\btreated with\b|\bcurrently on\b|\bregimen\b", _I)),
    ("vital", re.compile(r"\bvitals?\b|\bvital signs\b|\bobs\b|\bhow tall\b|\bhow (?:much|heavy).{0,20}weigh", _I)),
    ("lab", re.compile(r"\blabs?\b|\blaborator|\btest results?\b|\bblood (?:tests?|results?|work)\b|\babnormal (?:results?|values?)\b|\bresults\b", _I)),
    ("procedure", re.compile(r"\bprocedures?\b|\bsurger(?:y|ies)\b|\boperations?\b|\bsurgical\b|\boperated\b|\bimaging\b|\bscans?\b|\bhad done\b", _I)),
    ("problem", re.compile(r"\bproblems?\b|\bdiagnos|\bconditions?\b|\bcomorbid|\bmedical history\b|\bpast history\b|\bpmh\b|\bsymptoms?\b|\bdiseases?\b|\bcomplain|\bill(?:ness(?:es)?)?\b|\bsuffer", _I)),
)  # fmt: skip
_TOPICS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("family", re.compile(r"\bfamil(?:y|ial)\b|\bmother\b|\bfather\b|\bparents?\b|\brelatives?\b|\bsiblings?\b|\bbrother|\bsister|\bhereditary\b|\bruns? in\b", _I)),
    ("smoking", re.compile(r"\bsmok|\btobacco|\bcigar|\bnicotine|\bpack[- ]years?|\bvap(?:e|ing)", _I)),
    ("alcohol", re.compile(r"\balcohol|\bdrink|\betoh\b|\bdrinker", _I)),
    ("drug use", re.compile(r"\b(?:illicit|recreational|street|illegal)\b|\bdrug (?:use|abuse)|\bsubstance|\bmarijuana|\bcannabis|\bcocaine|\bheroin", _I)),
    ("social", re.compile(r"\bsocial history\b|\bwho does (?:he|she|the patient) live|\blives?\b|\boccupation\b|\bmarried\b|\bfor a living\b|\bjob\b|\bwork as\b|\bemploy", _I)),
    ("age", re.compile(r"\bhow old\b|\bage\b|\bdate of birth\b|\bdob\b|\bborn\b|\bbirth ?date\b", _I)),
    ("sex", re.compile(r"\b(?:sex|gender)\b|\bmale or female\b|\bman or (?:a )?woman\b", _I)),
    ("reason", re.compile(r"\bwhy (?:was|is|did|has|were)\b|\breason for\b|\bchief complaint\b|\bpresent(?:ed|ing|s)?\b(?: with| for| to| complaint)?|\bbrought (?:him|her|them|the patient)\b|\badmitted\b|\bcame in\b|\bcome in\b", _I)),
    ("plan", re.compile(r"\bplan\b|\bnext steps?\b|\brecommend|\bfollow[- ]?up\b|\bdischarge instructions\b|\bmanagement\b", _I)),
    ("assessment", re.compile(r"\bassessment\b|\bimpression\b|\bdiagnos(?:is|es|ed)\b|\bwhat is wrong\b", _I)),
    ("exam", re.compile(r"\bexam(?:ination)?\b|\bphysical findings\b|\bon auscultation\b", _I)),
    ("immunization", re.compile(r"\bvaccin|\bimmuni[sz]|\bjab\b", _I)),
    ("visits", re.compile(r"\bencounters?\b|\bvisits?\b|\bhospitali[sz]ation|\bhospital stay", _I)),
    ("course", re.compile(r"\bhospital course\b|\bwhat happened\b|\bin the ed\b", _I)),
)  # fmt: skip
# Everyday names of classes that drugs.tsv has under another name.
_CLASS_WORDS = {
    "blood thinner": ("anticoagulant", "antiplatelet"),
    "anticoagulant": ("anticoagulant",),
    "painkiller": ("analgesic", "opioid", "nsaid"), "pain killer": ("analgesic", "opioid", "nsaid"),
    "pain medication": ("analgesic", "opioid", "nsaid"), "pain med": ("analgesic", "opioid", "nsaid"),
    "narcotic": ("opioid",), "opiate": ("opioid",), "water pill": ("diuretic",),
    "blood pressure med": ("antihypertensive",), "blood pressure pill": ("antihypertensive",),
    "blood pressure tablet": ("antihypertensive",), "blood pressure drug": ("antihypertensive",),
    "antihypertensive": ("antihypertensive",), "heart med": ("antihypertensive", "antiarrhythmic"),
    "cholesterol med": ("lipid lowering",), "cholesterol drug": ("lipid lowering",),
    "lipid": ("lipid lowering",), "diabetes med": ("antidiabetic",), "diabetes drug": ("antidiabetic",),
    "diabetic med": ("antidiabetic",), "oral hypoglycemic": ("antidiabetic",),
    "inhaler": ("bronchodilator", "corticosteroid"), "steroid": ("corticosteroid",),
    "acid reflux med": ("acid suppressant",), "stomach med": ("acid suppressant",),
    "sleeping pill": ("hypnotic", "benzodiazepine"), "sleep med": ("hypnotic",),
    "sedative": ("benzodiazepine", "hypnotic"), "antidepressant": ("antidepressant",),
    "psychiatric med": ("antidepressant", "antipsychotic", "mood stabilizer"),
    "birth control": ("contraceptive",), "chemotherapy": ("chemotherapy",), "supplement": ("supplement",),
    "nephrotoxic": ("nsaid", "aminoglycoside"), "seizure med": ("anticonvulsant",),
    "thyroid med": ("thyroid hormone", "antithyroid"), "antiepileptic": ("anticonvulsant",),
    "immunosuppress": ("immunosuppressant",), "vitamin": ("vitamin",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a question asks for.

    Attributes:
        kinds: kinds of facts asked for as a whole ("current medications").
        names: normalised names asked for ("potassium", "diabetes mellitus").
        classes: drug classes asked for.
        topics: other matters: family, smoking, alcohol, age, reason, plan, ...
        latest: whether only the newest value is asked for.
        abnormal: whether only values out of range are asked for.
        summary: whether the whole record is asked for.
    """

    kinds: tuple[FactKind, ...]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    topics: tuple[str, ...]
    latest: bool
    abnormal: bool
    summary: bool


def is_about_record(question: str) -> bool:
    """Whether a question is about the patient or the attached record, not general literature.

    "What is she allergic to?" is; "What is the treatment of asthma in children?" isn't.
    """
    if _COMMAND.search(question):
        return True
    plain = _HE_GENERIC.sub(" ", question)
    found = _PATIENT.search(plain)
    if not found:
        return False
    return not (_GENERAL.search(plain) or _ANYONE.search(plain[: found.start()]))


def wanted(question: str) -> Wanted:
    """Read what a question asks for."""
    tokens = lexicon.Tokens(question)
    drugs = list(lexicon.drugs().find(tokens))
    classes = _classes(question, drugs)
    named = [match.entry.name for match in drugs if not match.entry.columns[1]]
    for words in (lexicon.measurements(), lexicon.problems(), lexicon.procedures()):
        named += [m.entry.name for m in words.find(tokens) if not _weak(question, m)]
    topics = tuple(name for name, pattern in _TOPICS if pattern.search(question))
    kinds = tuple(kind for kind, pattern in _KINDS if pattern.search(question))
    if re.search(r"\bdrug (?:use|abuse)|illicit|substance", question, _I):
        kinds = tuple(kind for kind in kinds if kind != "medication")
    return Wanted(
        kinds=kinds,
        names=tuple(dict.fromkeys(named)),
        classes=classes,
        topics=topics,
        latest=bool(re.search(r"\b(?:last|latest|most recent|newest|current(?:ly)?|now|recent)\b", question, _I)),
        abnormal=bool(re.search(r"\babnormal|\bout of range\b|\b(?:flagged|deranged)\b", question, _I)),
        summary=bool(re.search(r"\bsummar|\boverview\b|\bsum up\b|\boutline\b|\btell me about (?:this|the) (?:patient|record)|\bwho is this patient", question, _I)),
    )  # fmt: skip


def _weak(question: str, match: lexicon.Match) -> bool:
    """Whether a word that a list knows only frames the question ("her discharge medications")."""
    return match.entry.name in ("discharge", "mass", "pain score", "infection") and not re.search(
        r"\b(?:vaginal|nasal|mass|infection|pain)\b", question, _I
    )


def _classes(question: str, drugs: list[lexicon.Match]) -> tuple[str, ...]:
    plain = " ".join(question.lower().split())
    found = [name for words, classes in _CLASS_WORDS.items() if words in plain for name in classes]
    # "Antibiotic", "ACE inhibitor": a class that the list of drugs names itself.
    found += [match.entry.name for match in drugs if match.entry.columns[1]]
    known = {name for classes in lexicon.drug_classes().values() for name in classes}
    found += [
        name for name in known if len(name) > 3 and re.search(rf"\b{re.escape(name)}s?\b", plain)
    ]
    return tuple(dict.fromkeys(found))
