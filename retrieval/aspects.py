"""Which aspect of a subject a question asks about: definition, symptoms, dose, ...

Patterns over the question's words, in English and, for the commonest, Chinese. Several aspects can
be asked at once; they come in the order in which they stand in the question.
"""

from __future__ import annotations

import re

_PATTERNS: tuple[tuple[str, str], ...] = (
    ("children", r"child(ren|hood)?|paediatric|pediatric|kids?\b|infants?|newborns?|neonat\w+|bab(y|ies)|toddlers?|adolescents?|teenagers?|儿童|小孩|婴儿|孩子"),
    ("pregnancy", r"pregnan\w*|breast[- ]?feed\w*|lactat\w+|gestation\b|trimester|nursing mothers?|wants? a (baby|child)|conceiv\w+|conception|孕妇|怀孕|妊娠|哺乳"),
    ("older_adults", r"elderly|older (adults?|people|patients?|persons?)|geriatric|frail|老年人?"),
    ("red_flags", r"red[- ]flags?|warning (signs?|symptoms?)|danger(ous)? signs?|alarm (features|symptoms|signs)|when (should|to|must) .*(worr|emergency|urgent|refer|hospital|seek|admit)|need(s)? urgent|refer(red|ral)?\b|life[- ]threatening|危险信号"),
    ("side_effects", r"side[- ]effects?|(bad|unwanted|untoward|adverse|dangerous|harmful|long[- ]term) effects?|problems? (of|with|from) (be+ing on|taking|using|long)|adverse (effects?|reactions?|events?|drug)|toxicit(y|ies)|harms?\b|tolerab\w+|safe(ty)?( profile)?\b|副作用|不良反应"),
    ("contraindications", r"contra-?indicat\w+|unsafe|(must|should|may|can)(not|n't| not) (be )?(take|taken|use|used|have|get|given|receive)|dangerous (in|for|to)|should not (take|use|be (given|used|taken))|who (should|can)(not|n't| not) (take|use|have)|avoid(ed|ing)?\b|not be (given|used)|safe (in|for|with|to)|caution|禁忌"),
    ("interactions", r"interact\w*|together with|combin(e|ed|ing|ation) (with|of)|(take|taken|use|used|given?|prescribed?|mix(ed)?|drink|alcohol)\b.* (with|while|and) |co-?administ\w+|alcohol|相互作用"),
    ("overdose", r"overdos\w*|revers(e|ed|al|es|ing)\b|too (much|many)|poison\w*|antidotes?|过量|中毒"),
    ("dose", r"dos(e|es|age|ing|ages)\b|how much|how many (mg|milligrams|tablets|times)|mg\b|maximum daily|loading dose|剂量|用量"),
    ("mechanism", r"mechanisms?( of action)?|how (does|do) .{2,40} (work|act|lower|reduce)|mode of action|pathophysiolog\w+|作用机制"),
    ("monitoring", r"monitor\w*|therapeutic (range|level|window)|(blood )?tests? .{0,12}follow|follow (on|the)|check(ed|s|ing)? (regularly|levels?|blood)|blood tests?.* (need|before|during|while)|surveillance|target (inr|range|level)|监测"),
    ("results", r"normal ([\w-]+ ){0,3}(range|values?|levels?|results?)|reference (range|interval|values?)|interpret\w*|what does (a|an) .*(high|low|raised|elevated|positive|negative|abnormal)|(high|low|raised|elevated|abnormal|positive|negative) (results?|levels?|values?|tests?)|mean(s|ing)?\b|cut-?offs?|正常值"),
    ("procedure", r"how is .{2,50} (done|performed|carried out|measured|taken)|procedure|technique|preparation for|prepare for|步骤"),
    ("diagnosis", r"diagnos\w*|tests?\b|investigat\w*|work-?up|criteria|confirm(ed|s|ing)?|detect(ed|ion)?|screen(ed|ing)?|imaging|evaluat\w+|assess(ed|ment)?|rule(d)? out|诊断|检查"),
    ("treatment", r"regimens?|goes in first|(would|should|do|to) (you|i|we) (pick|choose|use|give|start|offer|prescribe)|which (oral |iv |intravenous )?(drug|antibiotic|steroid|agent|medicine|medication|insulin|opioid|manoeuvre|maneuver)|what (can|to) (i|we) (still )?do|what do i do|fix(es|ed)?\b|treat(ed|ing|ment|ments|s|able)?|manag(e|ed|ing|ement)|therap(y|ies|eutic)|cure(d|s)?\b|curable|first[- ]line|second[- ]line|drugs? (of choice|for)|medic(ine|ation|ations|ines)\b|antibiotics?|antidotes?|what (can|should|do) (i|you|we|one) (do|give|prescribe)|remed(y|ies)|relie(f|ve)|surger(y|ies)|操作|治疗|怎么治|用药"),
    ("symptoms", r"symptoms?|signs?\b|present(s|ation|ing)?\b|feel like|manifest\w*|clinical (features|picture)|how (do|does|would|can) .{2,60} (know|tell|present|look|recogni[sz]e)|recogni[sz]e|症状|表现"),
    ("risk_factors", r"risk factors?|(who|people|patients?).*(at|higher|increased|greater) risk|at risk|risk of (getting|developing)|predispos\w+|susceptib\w+|likely to (get|develop)|危险因素"),
    ("complications", r"complicat\w+|consequences?|sequelae|long[- ]term (effects?|problems?)|untreated|lead(s)? to|happen(s)? if|并发症|后遗症"),
    ("prognosis", r"prognos\w+|get(ting)? better|odds|chances? of|outlook|surviv(al|e)|life expectancy|mortality|how long (do|does|will|can) .*(last|live|take|recover)|recover(y)?|预后"),
    ("prevention", r"prevent\w*|prophyla\w+|avoid (getting|catching)|reduce the risk|lower the risk|vaccin\w+|immuni[sz]\w+|预防|疫苗"),
    ("follow_up", r"follow[- ]?up|how often|review(ed)? (after|interval)|after discharge|long[- ]term care|随访"),
    ("causes", r"culprits?|puts? it up|raises? it|caus(e|es|ed|ing)\b|why (do|does|is|are)|etiolog\w+|aetiolog\w+|due to|triggers?|reasons? (for|of)|spread|transmi\w+|contagious|catch|inherit\w*|genetic|differential|原因|病因|为什么|传染|遗传"),
    ("uses", r"uses?\b|used (for|to|in)|indicat(ed|ion|ions)\b|purpose|when (is|are|should) .{2,50} (used|given|ordered|needed|indicated|done)|why (is|are) .{2,40} (used|given|prescribed|ordered|done)|what (is|are) .{2,40} for\b|prescribed for|用途|适应症"),
    ("definition", r"what(('|’)?s| is| are| does) (a |an |the )?[\w\s'’-]{2,60}\??$|defin(e|ition)|tell me about|explain|describe|overview|meaning of|stand for|是什么|什么是"),
)  # fmt: skip
_COMPILED = tuple(
    (name, re.compile(rf"(?<![A-Za-z])(?:{p})", re.IGNORECASE)) for name, p in _PATTERNS
)
# Aspects that only qualify another one when both are asked ("treated in children").
POPULATIONS = ("children", "pregnancy", "older_adults")

# Questions on an effect, a comparison or a predictor, which studies answer.
_EFFECT = re.compile(
    r"^\W*((do|does|did|is|are|was|were|can|could|will|would|has|have|should)\b.*\b("
    r"improv|reduc|lower|increas|rais|prevent|protect|help|affect|chang|better|worse|superior|"
    r"inferior|equivalent|effective|efficac|as (good|safe|effective)|benefit|delay|shorten|prolong|"
    r"guide|predict|associated|linked|influence|decreas|die|more|less|fewer|work\b)"
    r"|(how (much|well|far)|what) (do|does|did) .*\b(lower|reduc|rais|increas|improv|chang|do to|"
    r"affect|decreas)"
    r"|(what|which) .*\b(predict|prefer|is better|are better|work best|works best))"
    r"|\b(compared (to|with)|versus|vs\.?|(better|worse|higher|lower|more \w+|less \w+) than|"
    r"difference in .* between)\b",
    re.IGNORECASE,
)


def asks_effect(question: str) -> bool:
    """Whether a question asks what a study finds: an effect, a comparison, a predictor."""
    return _EFFECT.search(question.strip()) is not None


def asked(question: str) -> tuple[str, ...]:
    """Return the aspects that a question asks about, most specific reading first; may be empty."""
    found = [
        (match.start(), name)
        for name, pattern in _COMPILED
        if (match := pattern.search(question.strip()))
    ]
    found.sort()
    names = [name for _, name in found]
    if len(names) > 1 and "definition" in names:
        names.remove("definition")
    return tuple(names)


def words_of_aspects(question: str) -> set[str]:
    """Return the lower-case words of a question that only name the aspect."""
    out: set[str] = set()
    for name, pattern in _COMPILED:
        if name == "definition":
            continue
        for match in pattern.finditer(question):
            if len(match[0].split()) <= 3:
                out.update(re.findall(r"[a-z]+", match[0].lower()))
    return out
