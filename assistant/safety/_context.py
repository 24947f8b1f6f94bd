"""Whether a sign in a message is happening now: negation, history, what-if and textbook questions.

Rules for English and Chinese; knows nothing of the signs themselves. The scope of a cue ends at a
clause's end, after the idea of ConText (Harkema et al., J Biomed Inform 2009;42:839-851).
"""

from __future__ import annotations

import re
from typing import NamedTuple

CJK = re.compile(r"[\u4e00-\u9fff]")

# --- English -----------------------------------------------------------------------------------
_NOT_BEFORE = re.compile(
    r"\b(?:no(?! (?:longer|one|idea|relief|pulse|breath\w*|response))|not(?! only| just| sure| breath\w*| respond\w*| wak\w*| know| better| stop\w*| help\w*| improv\w*| working| feel\w* well)|denies|denied|denying|without|never|negative for|"
    r"(?:does|did|do|is|was|has|have|had)(?:n'?t| not)(?: (?:have|had|get|feel|seem|notice|been|having|got|complain\w* of))?|ruled out|rule out|free of|absence of|nor|neither|none of|excluded)\b"
    r"(?P<gap>[^.;!?:]{0,70})\Z"
)
_TURN = re.compile(
    r"\b(?:but|however|although|except|now (?:has|he|she|i|with)|and (?:now|he is|she is|i am|i'?m|has|is|then)|just|because|since|,\s*(?:he|she|i|my|they|it) (?:is|has|am|can'?t|took|feels?|was))\b|, (?:then|so)\b"
)
_NOT_AFTER = re.compile(
    r"\A[^.;!?,]{0,12}\b(?:is |was |has been |were )?(?:ruled out|excluded|negative|denied|unlikely|absent|(?:has |have )?resolved|gone now|went away|stopped (?:last|yesterday))\b"
)
_PAST_BEFORE = re.compile(
    r"\b(?:history of|hx of|h/o|previous(?:ly)?|prior|past medical history|pmh|died (?:of|from)|death from|passed away from|s/p|status post|used to|once had|recover\w* from|survived|treated for|diagnosed with|known|family history|"
    r"last (?:year|month|summer|winter|week)|years ago|months ago|(?:in|since) (?:19|20)\d\d|(?:as|when) (?:i|he|she) (?:was )?(?:a )?(?:child|kid|young\w*|little|teen\w*)|as a child|had (?:a |an |one )(?:minor |mild |small |mini )?(?=stroke|heart|tia|seizure|dvt|pe\b|fit))[^.;!?,]{0,45}\Z"
)
_PAST_AFTER = re.compile(
    r"\A[^.;!?]{0,60}\b(?:in (?:19|20)\d\d|last (?:year|month|summer|winter|spring|autumn|fall|decade|christmas|march|may|june|july)|(?:\d+|a|two|three|four|five|six|ten|several|many|few|couple of) (?:years?|months?|weeks?) (?:ago|back|earlier)|years ago|a while ago|(?:as|when) (?:i|he|she|we) (?:was|were) (?:a )?(?:child|kid|young\w*|little|\d+|in)|as an? (?:\w+ )?(?:child|kid|teenager|baby|toddler|infant)|in (?:my|his|her) (?:childhood|twenties|youth|past)|long ago|yesterday but (?:is|feels?) (?:fine|better|ok))\b"
)
_WHAT_IF = re.compile(
    r"\b(?:(?<!know )(?<!wonder )(?<!sure )(?<!tell )(?<!see )(?<!check )if (?:i|he|she|they|you|we|a|an|the|someone|somebody|anyone|one|my \w+|patients?|people|there)(?!'?m\b| am\b| think)|in case|in the event|suppose|imagine|hypothetical\w*|what would happen|should (?:he|she|i|they|a|the \w+) (?:have|develop|get|start|become|feel)|whenever|when (?:someone|somebody|a person|a patient|patients|people|you|one)|"
    r"to (?:avoid|prevent)|prevent(?:ing|ion of)?|avoid(?:ing)?|risk (?:of|for|factors?)|at risk|afraid of (?:getting|having)|fear of|worried about (?:getting|having a|having an|future)|watch(?:ing)? (?:out )?for|look(?:ing)? out for|pretend\w*|novel|story|movie|film|game|dream\w*|role[- ]?play|scenario|fiction\w*|song|character|scared of (?:getting|having))\b[^.;!?]{0,80}\Z"
)
_GENERAL = re.compile(
    r"\b(?:what (?:are|is|were|was)(?: the)? (?:\w+ ){0,4}?(?:signs?|symptoms?|causes?|treatment|management|treatments|therapy|prognosis|mechanism|definition|incidence|prevalence|risk factors?|complications?|difference|differential|guidelines?|recommendations?|dose|dosage|dosing|evidence|pathophysiology|role|features?|red flags?|criteria|indications?|steps?|antidote|algorithm|protocol|epidemiology|first[- ]line|antibiotics?|best|sensitivity|specificity|mortality|workup|work-up|score|side effects?|effects?|target|window|threshold|diagnosis of|diagnostic|standard|recommended|initial|association|relationship|most common|meaning|adverse)|"
    r"what (?:is|are) (?:a |an |the )?(?:\w{1,40}[- ]){0,3}\w{1,40}\??$|what (?:causes?|do(?:es)? .{0,60}(?:mean|look like|feel like)|happens (?:in|during|to)|kinds?|types?|tests?|drugs?|antibiotics?|medications?|percentage|proportion|first aid)|"
    r"how (?:is|are|was|were|common|often|does|do (?:you|we|i|doctors|clinicians|physicians|paramedics|nurses|hospitals|they)|to|can (?:you|we|i|one|doctors)(?: \w+)? (?:prevent|treat|manage|diagnos\w+|recogni[sz]e|distinguish|differentiate|identify|avoid)|should (?:i|we|one|doctors|clinicians|you)? ?(?:treat|manage|diagnos\w+|be|assess|monitor|dose|give)|effective|long (?:does|is|should|do)|many|much|likely|quickly|soon|dangerous|well)|"
    r"(?:when|why|where|which|who) (?:is|are|do|does|should|can|would|patients?|drugs?|antibiotics?|test|tests|treatment|people|beta|score|of the|medications?|scoring|adults|children|women|men)|"
    r"(?:explain|describe|define|list|compare|summari[sz]e|discuss|outline|review|tell me about|teach me|write|give me (?:a |an |the )?(?:summary|overview|list|differential|definition)|provide|name the|difference between|i(?:'?m| am) (?:studying|preparing|writing|learning|revising|reading|teaching)|search|find (?:papers|studies|evidence|me|articles))|"
    r"(?:does|do|can|could|is|are|should|will|may) (?:(?:\w{1,40}[- ]){0,6}?)(?:cause|causes|lead to|increase|reduce|prevent|treat|help (?:with|in)|trigger|improve|used|recommended|indicated|contraindicated|safe|effective|associated|be (?:given|used|treated|managed|caused|prevented|fatal|genetic)|curable|hereditary|contagious|preventable|common|reversible|mimic|present (?:with|as))|"
    r"^(?:the )?(?:\w{1,40}[- ]){0,6}?(?:management|treatment|therapy|diagnosis|pathophysiology|epidemiology|guidelines?|prophylaxis|prevention|definition|differential(?: diagnosis)?|classification|mechanism|antidote|prognosis|incidence|risk factors|causes|symptoms|signs|red flags|workup|first aid|approach|criteria|screening|evaluation|dosing|dose|rehabilitation|imaging|biomarkers?|protocols?|role|use|effects?|efficacy|statistics|comparison|algorithm|epidemiolog\w+|evidence|meta[- ]analysis|trials?)(?: (?:of|for|in|to|and|on|after|with|by|against|vs|versus|from|options)\b|\??$)|"
    r"(?:guidelines?|evidence|literature|statistics|stud(?:y|ies)|trials?|meta[- ]analys\w+|textbook|lecture|exam question|quiz|essay|mnemonic|protocol|case report|cohort|paper|article|course|poster|leaflet|training|curriculum|flashcards?|chapter|seminar)\b|"
    r"\bin (?:patients|adults|children|people|women|men|infants|the elderly|pregnancy|neonates) (?:with|who|after|under|over|aged)\b|\bpatients (?:with|who|presenting|at|after)\b|\b(?:people|children|adults|women|men|infants|babies) (?:with|who|at|after)\b)"
)
# A question about what a record says: "Does she have chest pain?", "Any history of stroke?"
_RECORD = re.compile(
    r"(?:and |also )?(?:(?:does|did|was|were|had) (?:the |this |our )?(?:patient|pt|he|she|they|record|note|there|her|his)\b|(?:is|are) there (?:any |a )?(?:mention|record|history|evidence|documentation|sign)\b|any (?:history|mention|record|evidence|documented|known|past|prior|previous)\b|(?:does|do) (?:the|this) (?:record|note|chart|report|x-?ray|image|film|scan)\b)[^.!]*\?\s*\Z"
)
# Somebody is meant, not a disease in general.
_PERSON = re.compile(
    r"\b(?:my (?:\w+ )?(?:father|mother|dad|mum|mom|wife|husband|son|daughter|baby|child|kid|kids|brother|sister|friend|partner|boyfriend|girlfriend|grandmother|grandfather|grandma|grandpa|nana|uncle|aunt|patient|neighbou?r|colleague|boss|coworker|toddler|newborn|infant|roommate|flatmate|niece|nephew|cousin|teacher|student|chest|face|arm|leg|head|eye|heart|throat|tongue|lips?|back|blood|potassium|sugar|testicle|stomach|belly|vision|period|inhaler|wrists?|waters?|year[- ]old|grandson|granddaughter|son'?s|husband'?s|wife'?s|father'?s|mother'?s|dad'?s|mum'?s|mom'?s|baby'?s|temperature|fever|bleeding|pain|ears?|hand|foot|calf|neck|whole)\b|"
    r"\bi(?:'m| am|'ve| have| had| took| feel| felt| can'?t| cannot| swallowed| drank| want| was| just| think| cut| keep| overdosed| ate| got| hit| fell| injected| need| won'?t| will| don'?t| wish| accidentally| see)\b(?! (?:to know|a question|writing|studying|preparing|reading|teaching|learning|revising|wondering|curious|interested|to ask|to learn|to understand|to write|always wondered|been reading|read))|"
    r"\b(?:he|she|they)(?:'s|'re| is| are| has| have| had| just| took| can'?t| cannot| won'?t| isn'?t| was| feels?| says?| keeps?| started| looks?| fell| swallowed| drank| collapsed| went| got| hit| doesn'?t| does)\b|"
    r"\b\d{1,3} ?-?(?:yo|y/o|y\.o\.?|year[- ]olds?|yrs?[- ]old|[mf])\b|\b\d{1,2}[- ](?:month|week|day)s?[- ]olds?\b|\b(?:the|this|our|a|pt|one) (?:\w+ )?patient(?:'s)? (?:is|has|in|just|with|was|now|who|on|had|came|collapsed|can'?t|isn'?t|not|here|brought|appears?|looks?|suddenly|a|bp|took)\b|\bpatient (?:is|has|in (?:bed|room|bay|ward|cubicle)|just|now|collapsed|not|can'?t|isn'?t|unrespons\w+|suddenly|presents?|presenting|with|on|bed)\b|(?:^|[.,;:] ?|\bmy |\bthe |\bthis |\bour )patient in |\bpt\b|\bin (?:bed|room|bay|cubicle|resus|triage) \d|"
    r"\b(?:this|the|a|an|some|another|our) (?:\w+ ){0,2}(?:man|woman|guy|lady|girl|boy|child|kid|toddler|baby|newborn|neighbou?r|person|passenger|resident|worker|student|employee|customer|stranger)\b(?! with\b.{0,20}\?)|\bsome(?:one|body)\b|\bthere'?s a\b|\bhelp\b(?! (?:with|in|me (?:understand|write|learn))))"
)

# --- Chinese -----------------------------------------------------------------------------------
_NOT_BEFORE_ZH = re.compile(
    r"(?:没有|没|无(?!法|力|脉|意识|反应|呼吸)|不(?!能|会|动|停|醒|清|出|省|了|到|上|住|适|退|想|舒服|活|过|知|断|起)|否认|未(?:见|出现|有|诉)?|并非|不是|排除|从未|从来没)[^，。；！？,;.!?]{0,8}\Z"
)
_PAST_BEFORE_ZH = re.compile(
    r"(?:以前|曾经|曾|去年|前年|年前|月前|既往|病史|小时候|史(?:：|:)?|上个月|\d{4}年|得过|有过|家族史|患过|恢复期)[^，。；！？,;!?]{0,12}\Z"
)
_PAST_AFTER_ZH = re.compile(
    r"\A[^，。；！？,;!?]{0,6}(?:病史|史(?!无)|过一次|已(?:经)?(?:好|缓解|治愈|恢复)|后遗症|康复|是(?:去年|前年)|的(?:预防|风险))"
)
_WHAT_IF_ZH = re.compile(
    r"(?:如果|假如|万一|要是|一旦|预防|避免|会不会引起|能不能引起|担心(?:以后|将来)|风险|防止|当(?:有人|病人|患者)|遇到)[^。；！？;!?]{0,25}\Z"
)
_GENERAL_ZH = re.compile(
    r"什么是|是什么(?:意思|病|原因|引起|症状|药|检查|机制|标准)?[？?。]?$|有哪些|哪些|有什么(?:症状|表现|区别|方法|危害|后果|征兆|副作用|特征)|如何(?:治疗|预防|诊断|处理|鉴别|判断|识别|急救|避免|护理|抢救|区分|评估)|怎么(?:治疗|预防|诊断|鉴别|判断|识别|区分|避免|引起)|怎样(?:治疗|预防|诊断|处理|识别|判断|避免|急救)|"
    r"的[^，。？]{0,5}(?:症状|原因|治疗|诊断|表现|机制|指南|处理原则|急救措施|处理|护理|鉴别|鉴别诊断|分型|分级|预后|流行病学|危险因素|定义|诊断标准|首选药|并发症|病因|抢救|抢救流程|预防|剂量|用法|研究|后遗症|检查|临床表现|发病率|死亡率|早期信号|先兆|解毒药|解毒剂|护理措施|管理)|指南|文献|研究|综述|为什么会|(?:能|会|可以|可)(?:引起|导致|治疗|预防|用于)|请(?:解释|介绍|说明|列出|总结|简述)|简述|介绍一下|什么区别|考试|论文|适应症|禁忌症|常用药|[^，。？]{0,6}(?:表现|特征|改变)|治疗方案|治疗流程|解毒(?:药|剂)|多少剂量|区别"
)
_PERSON_ZH = re.compile(
    r"我|他|她|爸|妈|父亲|母亲|老公|丈夫|妻子|老婆|孩子|宝宝|婴儿|儿子|女儿|爷爷|奶奶|外公|外婆|姥姥|朋友|同事|邻居|有人|这(?:个|位)|\d+ ?岁|\d+床|床(?:的)?(?:病人|患者)|(?:病人|患者)(?:突然|出现|现在|已|正在|目前|没有|无|血压|呼吸|意识|持续|胸|刚)|刚才|刚刚|现在|救命|快(?:来|帮)|急|男友|女友|弟弟|妹妹|哥哥|姐姐|小孩|老人|家人|室友|同学|怎么办|\d+(?:个)?月大"
)
# A full stop ends a sentence only before white space: "38.5" stays whole.
_END = re.compile(r"(?<=[!?;。！？；\n])\s*|(?<=\.)\s+")
_TERMS_ZH = re.compile(r"[，,。；]|但|不过|然而|却|现在|而且|并且")


class Sentence(NamedTuple):
    """A sentence of a message.

    Attributes:
        text: in lower case.
        person: whether it speaks of somebody.
        general: whether it asks for or states general knowledge.
    """

    text: str
    person: bool
    general: bool


def sentences(text: str) -> list[Sentence]:
    """Return the sentences of a message that speak of somebody or of nobody in general."""
    plain = re.sub(r"[ \t]+", " ", text.lower().replace("\u2019", "'").replace("\u2018", "'"))
    found = []
    for part in _END.split(plain):
        piece = part.strip()
        if not piece:
            continue
        if _RECORD.match(piece):
            found.append(Sentence(piece, False, True))
        elif CJK.search(piece):
            found.append(
                Sentence(piece, bool(_PERSON_ZH.search(piece)), bool(_GENERAL_ZH.search(piece)))
            )
        else:
            found.append(Sentence(piece, bool(_PERSON.search(piece)), bool(_GENERAL.search(piece))))
    return found


def happening(sentence: str, start: int, end: int) -> bool:
    """Whether `sentence[start:end]` is said to be so now: not denied, past or supposed."""
    before, after = sentence[max(0, start - 120) : start], sentence[end : end + 90]
    if CJK.search(sentence):
        return _happening_zh(before, after)
    denied = _NOT_BEFORE.search(before)
    if denied and not _TURN.search(denied["gap"]):
        return False
    if _NOT_AFTER.search(after) or _PAST_BEFORE.search(before):
        return False
    if _PAST_AFTER.search(after) and not re.search(
        r"\b(?:now|today|again|this morning|tonight|for \d+ (?:minutes|hours))\b", sentence
    ):
        return False
    return not _WHAT_IF.search(before)


def _happening_zh(before: str, after: str) -> bool:
    denied = _NOT_BEFORE_ZH.search(before)
    if denied and not _TERMS_ZH.search(denied.group()):
        return False
    past = _PAST_BEFORE_ZH.search(before)
    return not (past or _PAST_AFTER_ZH.search(after) or _WHAT_IF_ZH.search(before))
