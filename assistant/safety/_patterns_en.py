"""The red flags in English: what is said, and what to do at once. Data only.

A flag's `signs` are alternatives; an alternative is one expression, or a tuple of expressions that
must all be said. An alternative that begins with "@" names a disease rather than what is seen: it
counts only where the message speaks of a person now ("my husband is having a stroke").
`rank` orders flags that are found together: the lowest is reported.

Sources of the first steps: European Resuscitation Council Guidelines 2021 (first aid, BLS), NHS
and CDC public advice on each emergency.
"""

from __future__ import annotations

from typing import NamedTuple


class Flag(NamedTuple):
    """A red flag: its kind, its urgency (1 is the most urgent), its signs, and the notice."""

    kind: str
    rank: int
    signs: tuple[str | tuple[str, ...], ...]
    notice: str


CALL = "Call your local emergency number now (112, 911, 999 or 120)."

_BREATHLESS = r"short(?:ness)? of breath|breathless\w*|(?:can'?t|cannot|can not|can barely|hard to|difficult\w*|trouble|struggl\w+(?: to)?|unable to) (?:to )?(?:breathe?|breathing|catch (?:my|his|her) breath)|dyspn\w+|\bsob\b|gasping|respiratory distress"
_CHEST = r"(?:chest|retrosternal|substernal)(?: \w+){0,3} (?:pain|pressure|tight\w*|discomfort|heav\w+|pains|hurts?)|(?:pain|pressure|tight\w*|heav\w+|squeezing|crushing)(?: \w+){0,4} (?:in|on|across|over) (?:my |his |her |the |their )?(?:centre of (?:my |his |her |the )?|middle of (?:my |his |her |the )?)?chest|chest (?:hurts|is (?:very )?(?:tight|heavy|killing))|elephant (?:\w+ ){0,3}on (?:my|his|her) chest|(?:vice|band|belt|weight|rope|brick)(?: \w+){0,2} (?:around|on|across|over) (?:my|his|her|the) chest|chest(?: \w+){0,2}(?: \w+'s)?(?: \w+){0,2} (?:squeez\w+|crush\w+)|(?:pain|pressure|tight\w*|heav\w+|discomfort|ache|weight|crushing)(?: \w+){0,2} (?:behind|under|beneath|over|across) (?:my |his |her |the )?(?:breast ?bone|sternum|ribs?)|clutching (?:at )?(?:my|his|her|the) chest"
_SWEAT = r"sweat\w*|diaphor\w+|clammy|cold sweat"
_BABY = r"\b(?:baby|newborn|neonate|infant|(?:\d|two|three|four|five|six|seven|eight|ten|twelve)[- ]?(?:days?|weeks?)[- ]?old)\b"
_YOUNG = r"\b(?:newborn|neonate|(?:\d|1\d|two|three|four|five|six|seven|eight|nine|ten) ?-?(?:days?|wks?|weeks?)[- ]?old|(?:1|2|one|two)[- ]?(?:months?|mo)[- ]?old)\b"
_FEVER = r"\bfever\w*|\bfebrile|temp(?:erature)?(?: (?:of|is|was|now|at|has|been|up|to))* ?(?:3[89]|4[01]|10[0-6])|\b(?:3[89]|4[01])\.\d\b|feels? (?:very |really |so )?hot|\b(?:38|39|40)(?:\.\d)? ?(?:°|degrees|c\b)|10[1-6](?:\.\d)? ?(?:°|degrees|f\b)|pyrexi\w+|burning up|high temp\w*"
_PREGNANT = r"\bpregnan\w+|\b\d{1,2} ?(?:weeks|wks)(?: pregnant| gestation| along)?|\bgestation|trimester|\bexpecting\b"
_MANY = r"(?:\d{2,3}|a (?:whole |full )?(?:bottle|box|pack|packet|handful|bunch|strip|blister)(?: full)?|(?:whole|entire|full|two|three|several) (?:bottles?|box(?:es)?|packs?|packets?|strips?)|too many|lots of|a lot of|all (?:of )?(?:my|his|her|the|their)|handfuls?|twenty|thirty|forty|fifty|sixty|dozens?|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|eighteen|about \d{2,3})"
_TAKE = r"(?:took|taken|swallowed|swallowing|ingested|drank|drunk|eaten|ate|overdosed(?: on)?|popped|has had|had|taking)"
_PILLS = r"(?:pills?|tablets?|tabs|capsules?|paracetamols?|acetaminophen|tylenol|panadol|co-codamol|ibuprofen|aspirins?|sleeping (?:pills?|tablets?)|antidepressants?|amitriptyline|insulin|metformin|digoxin|beta[- ]?blockers?|propranolol|benzos?|benzodiazepines?|xanax|valium|oxycodone|oxycontin|morphine|fentanyl|methadone|heroin|percocets?|iron(?: tablets| pills)|diazepam|zopiclone|warfarin|lithium|meds|medications?|medicines?|painkillers?|amlodipine|blood pressure (?:pills|tablets))"
_THINNER = r"warfarin|apixaban|eliquis|xarelto|rivaroxaban|blood thinner\w*|anticoagula\w+|dabigatran|edoxaban|clopidogrel|coumadin|heparin"
_HEAD = r"(?:hit|banged|bumped|struck|smacked|cracked|knocked|injur\w+|landed on|fell(?: \w+){0,5} (?:on|and hit))(?: \w+){0,4} head|head (?:injury|trauma|strike|knock)|blow to (?:the|his|her|my) head"
_VOMIT = r"vomit\w*|throw(?:ing|n)? up|threw up|being sick"
_UNCONSCIOUS = r"unconscious|unrespons\w+|not respon\w+\b(?! (?:well )?to (?!voice|pain|stimul|me\b|us\b|touch|command|call))|won'?t (?:wake|respond(?! to (?!voice|pain|me\b|us\b|touch)))|(?:can'?t|cannot|couldn'?t|unable to|(?:hasn'?t|haven'?t|not) been able to|impossible to) (?:be )?(?:wake|rouse|woken|roused|awaken)\w*|not waking|doesn'?t (?:wake|respond(?! to (?!voice|pain|me\b|us\b|touch)))|passed out and (?:won'?t|isn'?t|hasn'?t)|isn'?t (?:responding(?! to (?!voice|pain|me\b|us\b|touch))|waking)|not conscious|gcs (?:of )?[3-8]\b|unrousable"
_BACKPAIN = r"back pain|backache|back (?:is )?hurt\w*|sciatica"
_BURNED = r"\bburn(?:s|ed|t)?\b|scald\w*"

FLAGS: tuple[Flag, ...] = (
    Flag("cardiac arrest", 1, (
        r"(?:not|isn'?t|stopped|no longer|quit) breath\w+|no (?:pulse|heartbeat|breathing)\b|pulseless|(?:isn'?t|not|hasn'?t) (?:got )?(?:a )?(?:breathing|pulse)|agonal (?:breath\w+|gasps?)|(?:his|her|the) heart (?:has )?stopped|turning blue and|does(?:n'?t| not) have a pulse|without a pulse|can'?t (?:find|feel) (?:a|his|her|any) pulse",
        r"@cardiac arrest|in asystole|in v\.?fib|arrested\b(?! for| by)",
        r"collapsed(?:(?! yesterday| last).){0,60}(?:not moving|blue)"),
        CALL + " Start chest compressions now, hard and fast in the centre of the chest, 100 to 120 a minute, and send someone for a defibrillator (AED)."),
    Flag("choking", 2, (
        r"\bchok(?:ing|ed|es)\b(?! up| back)(?!.{0,12} game)", r"\w+ (?:is |got |has got )?(?:stuck|lodged) in (?:\w+(?:'s)? ){1,3}(?:throat|airway|windpipe)",
        (r"can'?t (?:speak|talk|cough|breathe)|turning blue|gagging", r"(?:swallowed|inhaled|eating|ate) ")),
        CALL + " If the person can't cough or speak: give five back blows, then five abdominal thrusts (chest thrusts for a baby), and repeat; start CPR if they become unresponsive."),
    Flag("airway obstruction", 3, (
        r"\bstridor\b", r"throat (?:is )?(?:closing|swelling|closed|tightening)|(?:throat|airway|neck) swell\w*|swollen (?:throat|airway)",
        (r"drool\w*", r"(?:can'?t|cannot|unable to|not|refus\w+ to|difficulty|trouble|painful) swallow\w*|muffled voice|sore throat|tripod|leaning forward"),
        r"@epiglottitis|@airway obstruction|@ludwig'?s angina|can'?t swallow (?:my|his|her) (?:own )?saliva"),
        CALL + " Keep the person sitting upright and calm, give nothing by mouth, and don't look into or touch the throat."),
    Flag("anaphylaxis", 2, (
        r"@anaphyla\w+", r"(?:lips?|tongue|face|throat|mouth)(?: and (?:lips?|tongue|face|throat|eyes|mouth))?(?: (?:is|are|have|has|started|suddenly|all|now|badly|really))* ?(?:swelling|swollen|swelled|puff\w+)|swelling of (?:the |my |his |her )?(?:lips?|tongue|face|throat)|swollen (?:lips?|tongue)",
        (r"hives|rash|itch\w*|welts|urticaria|allergic reaction", _BREATHLESS + r"|wheez\w*|faint\w*|dizzy|throat|collapsed|hypotens\w+|blood pressure (?:is )?(?:dropping|low|falling)|vomit\w*", r"sting|stung|\bbee\b|wasp|peanut\w*|\bnuts?\b|shellfish|shrimp|prawn\w*|penicillin|amoxicillin|antibiotic|injection|vaccine|after eating|ate |eating|allerg\w+|contrast|ceftriaxone|egg|sesame|milk|latex|new (?:medicine|drug|medication)"),
        (r"sting|stung|\bbee\b|wasp|peanuts?|shellfish|\bnuts?\b", _BREATHLESS + r"|wheez\w*|throat|swell\w*|faint\w*|collapsed")),
        CALL + " Use an adrenaline (epinephrine) auto-injector in the outer thigh now if there is one, repeat after 5 minutes if there is no improvement, and lay the person flat (sitting if breathing is hard)."),
    Flag("major bleeding", 3, (
        r"bleed\w*(?: \w+){0,4} (?:heavily|badly|profusely|uncontroll\w+|a lot|won'?t stop|not stopping|everywhere|to death|out)\b|(?:blood|bleeding)(?: \w+){0,4} (?:spurting|pouring|gushing|squirting|pumping|won'?t stop|isn'?t stopping|will not stop|doesn'?t stop|can'?t be stopped)|(?:can'?t|cannot|unable to) (?:stop|control) the (?:bleeding|blood)|spurting blood|(?:it'?s|it is|and|keeps|started) (?:spurting|gushing|squirting)|h(?:a)?emorrhag(?:ing|e is)|severe bleeding from|arterial bleed\w*|soaked (?:\w+ ){0,4}(?:in|with) blood|pool of blood",
        r"(?:\bstabbed|been shot\b|got shot|gun ?shot|stab wound|was shot|shot in (?:the|his|her) )(?!.{0,20}(?:vaccine|flu))",
        r"(?:arm|leg|finger|hand|foot|limb|toe)s? (?:(?:was|is|has been|got|were) )?(?:severed|amputated(?! above| below)|cut off|torn off|ripped off)|(?:cut|tore|sliced|chopped|sawed) off (?:my|his|her) (?:finger|hand|arm|leg|foot|thumb|toe)"),
        CALL + " Press firmly on the wound with a clean cloth and keep pressing; if blood spurts from an arm or leg, put a tourniquet above the wound and note the time."),
    Flag("unconscious", 4, (
        _UNCONSCIOUS, r"lost consciousness and|fell unconscious|@in a coma|@comatose|collapsed(?: \w+){0,6} (?:just now|now|minutes? ago|in front)|(?:just|has|suddenly) collapsed"),
        CALL + " Check breathing: if it is normal, roll the person onto the side and keep the airway open; if not, start CPR."),
    Flag("heart attack", 5, (
        (_CHEST, r"radiat\w+|spread\w*|(?:going|goes|down|into|to|up|in) (?:my |his |her |the |their )?(?:left |right |both )?(?:arms?|jaw|neck|shoulder|back)|" + _SWEAT + "|" + _BREATHLESS + r"|nause\w*|vomit\w*|faint\w*|grey|gray|pale|dizz\w+|light-?headed|crushing|squeezing|severe|worst|unbearable|intense|heaviness|st[- ]elevation|troponin|syncope|collaps\w+|like (?:a|an) (?:weight|elephant|vice|band)"),
        r"(?:crushing|squeezing|crushing central|heavy central|severe central) (?:\w+ )?(?:chest|retrosternal)|elephant (?:\w+ ){0,3}on (?:my|his|her) chest",
        r"@heart attack|@\bstemi\b|@myocardial infarction|@acute mi\b",
        (_CHEST, r"\b(?:right now|for (?:the )?(?:(?:last|past) )?(?:(?:\d+|an?|half an|two|three|few|couple of) ?)?(?:min\w*|hours?|hrs?)|since (?:this morning|an hour)|started (?:\d+|an?|half an) (?:min\w*|hours?)|(?:minutes?|hours?) ago|suddenly|all of a sudden|\d+ ?mins?)\b"),
        (r"st[- ]elevation|st segments? elevat\w+|stemi", r"\becg|\bekg|lead|v[1-6]|inferior|anterior|bed|patient")),
        CALL + " Sit the person down and keep them still; unless allergic to aspirin or told not to take it, have an adult chew 300 mg of aspirin (162 to 325 mg) while waiting."),
    Flag("stroke", 5, (
        r"(?:face|mouth|smile|eyelid|facial)(?:'?s)?(?: (?:is|has|side|on|one|of|his|her|my|the|looks?|suddenly|left|right|started|gone|all|seems?|half))* ?(?:droop\w*|sagg\w*|lopsided|crooked|twisted|slack|numb)|droop\w* (?:face|mouth|on one side|of (?:the|his|her) (?:face|mouth))|facial droop|(?:dribbl|drool)\w+ (?:from|out of) (?:one|the|his|her)(?: \w+)? (?:side|corner)|half of (?:his|her|my|the) face|(?:face|mouth)(?: \w+){0,2} paraly[sz]ed|(?:smile|mouth|face)(?: \w+){0,2} (?:uneven|asymmetr\w+)",
        r"(?:can'?t|cannot|unable to|suddenly can'?t|couldn'?t) (?:speak|talk|get (?:his|her|my) words out|find (?:his|her) words)(?! (?:english|french|spanish|to (?:my|the|him|her|you)))(?! because)",
        r"slurr\w+ (?:his |her |my )?(?:speech|words)|speech (?:is|was|has become|became|suddenly)? ?(?:slurred|garbled|gibberish)|slurring|garbled speech|(?:words|speech|sentences)(?: \w+){0,2} (?:make|making|makes) no sense|talking (?:gibberish|nonsense)|speech.{0,15}(?:slurred|garbled)",
        r"(?:sudden\w*|acute|new|woke up with|this morning)(?: \w+){0,4} (?:weakness|numbness|paraly\w+|hemipar\w+|hemipleg\w+|aphasia)|(?:can'?t|cannot|unable to) (?:move|lift|raise|feel) (?:my|his|her|the|one)(?: \w+){0,2} (?:arm|leg|side)|(?:arm|leg|side|hand)(?: (?:is|has|went|suddenly|gone|went|feels?|suddenly|and leg|are))+ (?:suddenly |completely |all )?(?:weak|numb|limp|floppy|useless|dead|paraly[sz]ed|dead)|weak(?:ness)? (?:on|in|down) (?:one|the left|the right|his left|his right|her left|her right|my left|my right|left|right) (?:side|arm|leg)|(?:left|right|one)[- ]sided (?:weakness|paralysis|numbness|hemiplegia)",
        r"@(?:having|had|has|suffer\w+|think\w*(?: \w+){0,5}|be|possible|suspected|acute|a) (?:a |an )?(?:acute |ischa?emic |massive |mini[- ])?stroke\b|@having a tia\b"),
        CALL + " Note the time when the person was last well; give no food, drink or aspirin, and let them lie with the head slightly raised."),
    Flag("severe asthma", 6, (
        (r"asthma\w*|wheez\w*|inhaler|copd", r"(?:can'?t|cannot|unable to|too breathless to|not able to|hard to|can barely) (?:finish|complete|speak|talk|breathe)|blue|not (?:helping|working|responding)|isn'?t (?:helping|working)|no (?:relief|better|effect)|doesn'?t help|won'?t (?:stop|help)|exhausted|silent chest|getting worse|severe|gasping|single words|struggling|drowsy"),
        r"@(?:severe|bad|acute severe|life-threatening) asthma(?: attack)?|silent chest"),
        CALL + " Sit upright and take one puff of the reliever (blue) inhaler every 30 to 60 seconds, up to 10 puffs, through a spacer if there is one."),
    Flag("severe breathlessness", 6, (
        r"(?:can'?t|cannot|can not|can barely|can hardly|unable to|struggl\w+ to) (?:breathe|catch (?:my|his|her|their) breath|get (?:enough )?air)|gasping for (?:air|breath)|barely breathing|(?:lips?|fingers?|face|he|she|baby|skin)(?: \w+){0,3} (?:is |are |has |have )?(?:turn(?:ing|ed)|gone|going|went|looks?|are|is) (?:\w+ )?blue|blue lips|sudden\w*(?: \w+){0,3} (?:short\w* of breath|breathless\w*|dyspn\w+)|severe (?:short\w* of breath|breathless\w*|dyspn\w+|respiratory distress)|struggling (?:to breathe|for breath|with (?:his|her) breathing)|(?:spo2|sats?|saturation|oxygen)(?: (?:level|sats?))?(?: (?:is|are|of|at|down to|has|dropped|to|only))* ?[5-8]\d ?%?(?!\d)",),
        CALL + " Sit the person upright, loosen tight clothing, and give them their prescribed inhaler or oxygen if they have one."),
    Flag("suicidal intent", 7, (
        r"(?:want|wants|wanted|going|plan\w*|ready|intend\w*|thinking (?:about|of)|feel(?:s|ing)? like|consider\w*|contemplat\w*|gonna|decided|tr(?:y|ied|ying)|about|threaten\w*|need|wish\w*|thoughts (?:about|of)|urge)(?: \w+){0,3} (?:kill(?:ing)? (?:my|him|her|them)sel(?:f|ves)|end(?:ing)? (?:my|his|her|their) (?:own )?li(?:fe|ves)|end(?:ing)? (?:it all|it|things|everything)\b|take (?:my|his|her) own life|taking (?:my|his|her) own life|die\b(?! of)|commit(?:ting)? suicide|jump(?:ing)? (?:off|from|in front)|hang(?:ing)? (?:my|him|her)self|not (?:be|wake up)|shoot(?:ing)? (?:my|him|her)self|suicide\b(?! prevention| rate| risk| screening))",
        r"(?:i'?m|i am|he'?s|she'?s|he is|she is|feel(?:ing|s)?|is|patient is|actively) (?:actively |very |really )?suicidal|suicid\w+ (?:with (?:a )?(?:plan|intent)|note|plan)|better off (?:dead|without me)|(?:don'?t|do not|doesn'?t) want to (?:live|be alive|be here|wake up|go on|exist)(?: anymore| any more)?|(?:no|(?:don'?t|doesn'?t|can'?t) see (?:the|any|a)) (?:reason|point)(?: in| to| of)? (?:to )?(?:liv\w+|go\w* on|being alive|carry\w* on)|(?:nothing|no reason|not much)(?: \w+)? to live for|can'?t go on(?: any ?more| like this| living)|want it (?:all )?to (?:end|be over)|kill myself|end my life|wish i (?:was|were) dead|i (?:want|wanna|wish) to die|written a (?:suicide|goodbye) (?:note|letter)|tonight i will end|life (?:is|isn'?t) (?:not )?worth living",),
        "You don't have to face this alone: if you or someone else may act on these thoughts, call your local emergency number now (112, 911 or 120), or a crisis line such as 988 in the US, 116 123 in the UK and Ireland or 12356 in China. Don't leave the person alone, and put medicines and weapons out of reach."),
    Flag("self-harm", 8, (
        r"(?:cut|cutting|slash\w*|slit)(?: \w+)? (?:my|his|her|their) (?:wrists?|arms?|throat|veins?)(?! by accident| accidentally| while)|(?:harm(?:ing|ed)?|hurt(?:ing)?|cutting|cut|injur(?:ed|ing)) (?:my|him|her|them)sel(?:f|ves)(?: on purpose| deliberately| again| tonight| now)|been (?:cutting|harming|hurting) (?:my|her|him)self|self[- ]harm(?:ed|ing) (?:tonight|today|again|now|just)|(?:i|she|he) (?:just |keep |keeps )?(?:self[- ]harm\w*)|urge to (?:cut|hurt|harm) (?:my|her|him)self|want(?:s)? to (?:hurt|harm|cut) (?:my|her|him)self|hanged (?:him|her)self|tried to hang",),
        "If there is a serious wound or an overdose, call your local emergency number now (112, 911 or 120) and press on any bleeding. Stay with the person; a crisis line can help right away (988 in the US, 116 123 in the UK and Ireland, 12356 in China)."),
    Flag("homicidal intent", 7, (
        r"(?:want|wants|going|plan\w*|intend\w*|threaten\w*|about|thinking (?:of|about)|urge|ready|voices? (?:are )?tell\w* (?:me|him|her))(?: \w+){0,2} (?:to )?(?:kill(?:ing)?|murder(?:ing)?|shoot(?:ing)?|stab(?:bing)?|strangl\w+|poison(?:ing)?)(?: \w+)? (?!myself|himself|herself|themsel|the (?:pain|bacteria|virus|germ|cancer)|bacteria|cancer|time|virus)(?:him|her|them|someone|somebody|people|everyone|(?:my|his|her|the) (?:\w+ )?(?:wife|husband|boss|mother|father|neighbou?r|ex|partner|family|kids?|children|sister|brother|girlfriend|boyfriend|colleague|doctor|coworker|baby|son|daughter|roommate))\b|(?:i|he|she)(?: will|'ll| might| could) (?:kill|murder|stab|shoot) (?:him|her|them|someone|somebody|my|his|her)\b",),
        "If anyone is in danger now, get to safety and call your local emergency number (112, 911, 999 or 110). Stay away from weapons, and don't be alone with the person at risk; a crisis line (988 in the US) or the nearest emergency department can help at once."),
    Flag("overdose", 5, (
        (_TAKE + r"(?:(?! ago).){0,40}?\b" + _MANY + r"(?: [\w']+){0,4}? ?" + _PILLS,),
        r"overdos(?:ed|ing)\b|(?:took|taken|has taken|had|given|gave)(?: \w+){0,3} (?:an )?overdose|@overdose|(?:double|triple|ten times|10 times|tenfold|10x)(?: \w+){0,3} dose(?! of vaccine)(?=.{0,60}(?:by mistake|accident|gave|given|took|drowsy|insulin|opioid|morphine|methotrexate))|found (?:\w+ ){0,6}(?:with|beside|next to) (?:an )?empty (?:bottles?|pill|blister|packets?)|empty (?:pill )?(?:bottles?|blister packs?) (?:next to|beside|of)",
        (r"pinpoint pupils|needle in (?:his|her) arm|heroin|fentanyl|opioids?|oxy\w+|methadone", r"unrespons\w+|blue|not breathing|barely breathing|slow breathing|won'?t wake|breathing (?:\w+ )?slow\w*|snoring|rr (?:of )?[4-8]\b|drowsy"),
        (r"swallow\w*|ate|eaten|ingest\w*|got into|took|taken", _PILLS, r"toddler|child|\bson\b|daughter|baby|kid|infant|\bboy\b|\bgirl\b|grand(?:son|daughter|child)|year[- ]old|\b[1-9] ?y/?o\b")),
        CALL + " In the US poison control is 1-800-222-1222; don't make the person vomit, and keep the packets. After opioids give naloxone if there is some; after paracetamol (acetaminophen) go to hospital now even when feeling well, because the antidote works best early."),
    Flag("poisoning", 6, (
        (r"(?:drank|drunk|drinks?|drinking|swallow\w*|ingest\w*|ate|eaten|got into|licked|sipped|inhal\w+|bit into|took)\b", r"\b(?:bleach|antifreeze|drain cleaner|detergent|pesticides?|insecticide|paraquat|weed ?killer|rat poison|rodenticide|disinfectant|petrol|gasoline|kerosene|paraffin|methanol|ammonia|caustic|lye|acid(?! reflux)|turpentine|button batter(?:y|ies)|batter(?:y|ies)|magnets?|laundry pods?|dishwasher (?:tablet|pod)s?|cyanide|organophosph\w+|hand sanitizer|mushrooms?|berries|chlorine|oven cleaner|toilet cleaner|nail polish remover|cleaning (?:product|fluid|liquid)s?|poison|windshield washer fluid|white spirit|paint thinner|nicotine liquid|e-liquid)\b"),
        r"@been poisoned|poisoned (?:my|him|her)self"),
        CALL + " Also ring poison control (1-800-222-1222 in the US). Don't make the person vomit and give nothing by mouth unless you are told to; keep the container; a swallowed button battery needs hospital at once."),
    Flag("carbon monoxide", 4, (
        (r"carbon monoxide|\bco (?:alarm|detector|leak|poisoning)|gas (?:leak|heater|boiler)|charcoal (?:grill|stove|heater|barbecue)|generator (?:indoors|inside)|faulty boiler|car running in|car exhaust", r"headache|dizz\w+|nause\w*|vomit\w*|sleepy|drowsy|faint\w*|confus\w+|going off|beeping|unwell|sick|collapsed|alarm (?:is|went|keeps)|weak"),),
        CALL + " Get everyone out into fresh air now, leave doors open, don't go back in, and tell the crew about carbon monoxide."),
    Flag("sepsis", 7, (
        (_FEVER + r"|infect\w+|hypotherm\w+|shivering|rigors?|pneumonia|uti\b", r"confus\w+|mottled|blotch\w+|rambling|incoheren\w+|making no sense|hands (?:are )?(?:freezing|icy|cold)|drowsy|delirious|slurred|clammy|(?:bp|blood pressure)(?: (?:is|of|at|was|now))* ?(?:[5-8]\d/|[5-8]\d systolic|low|dropping|falling)|hypotens\w+|not (?:passed|passing) urine|hasn'?t (?:peed|passed urine)|lactate (?:of |is )?[4-9]|breathing (?:very )?fast|heart (?:is )?racing|tachycard\w+.{0,40}(?:hypotens|confus)|rr (?:of )?(?:2[5-9]|3\d|4\d)|lethargic|cold hands|floppy"),
        r"@septic shock|@(?:has|is|in|with|having|think\w*(?: \w+){0,4}) (?:septic|sepsis)|mottled skin|@looks septic"),
        CALL + " Say that you suspect sepsis. In hospital: cultures, lactate, intravenous antibiotics and fluids within the hour."),
    Flag("meningitis", 6, (
        (_FEVER + r"|unwell|headache", r"stiff(?:ness)?(?: \w+){0,3} neck|neck (?:is |so |very |pain and |really )*stiff\w*|(?:can'?t|cannot) (?:bend|touch|move) (?:his|her|my|the) (?:neck|chin)|nuchal|photophob\w+|(?:light|lights) (?:hurts?|is hurting|bothers)|non[- ]?blanching|purpur\w+|petechia\w*|doesn'?t (?:fade|blanch|disappear)|bulging (?:soft spot|fontanelle)|(?:doesn'?t|does not|won'?t) fade"),
        r"(?:rash|spots|bruises)(?: \w+){0,6} (?:doesn'?t|does not|don'?t|won'?t|not) (?:fade|blanch|go away|disappear)|non[- ]?blanching rash|@(?:has|have|having|is|with|think\w*(?: \w+){0,4}) meningitis"),
        CALL + " A rash that doesn't fade under a glass, a stiff neck or drowsiness with fever needs antibiotics without delay: don't wait for more signs."),
    Flag("fever in a young baby", 8, (
        (_YOUNG, _FEVER), (r"\b(?:under|less than|not yet) (?:3|three) months", _FEVER)),
        "A baby under 3 months with a temperature of 38 °C (100.4 °F) or more needs a doctor now: go to the nearest emergency department, or call your local emergency number if the baby is drowsy, mottled, not feeding or breathing hard."),
    Flag("unresponsive baby", 2, (
        (r"\b(?:baby|newborn|infant|neonate)\b|" + _YOUNG, r"\b(?:floppy|limp|unrespons\w+|blue|grey|gray|mottled|won'?t wake|not waking|hard to wake|difficult to wake|not moving|lifeless|grunting|pauses in breathing|stopped breathing|(?:can'?t|cannot|couldn'?t|been able to|unable to) wake|not respond\w+|doesn'?t respond|isn'?t respond\w+|won'?t feed and)"),),
        CALL + " If the baby isn't breathing normally, give five rescue breaths and then 30 compressions to 2 breaths with two fingers on the chest."),
    Flag("dehydrated infant", 10, (
        (r"\b(?:baby|newborn|infant|toddler|month[- ]old|months old)\b", r"no (?:wet )?(?:nappy|nappies|diapers?)|(?:no|hasn'?t had a|not had a|without a|no) wet (?:nappy|diaper)|sunken (?:eyes|fontanelle|soft spot)|hasn'?t (?:peed|weed|urinated|passed urine|drunk)|dry (?:nappy|diaper|mouth)|no tears|not (?:keeping|drinking|peeing|urinat\w+)|won'?t (?:drink|feed|take)|refus\w+ (?:to )?(?:feed|drink|all)", r"vomit\w*|diarrh\w+|fever\w*|throwing up|hours|sleepy|lethargic|loose stools?"),),
        "A baby with signs of dehydration needs medical care now: go to the nearest emergency department, and call your local emergency number if the baby is drowsy, floppy or cold. Offer small sips of oral rehydration solution or the breast on the way."),
    Flag("eclampsia", 5, (
        (_PREGNANT + r"|postpartum|gave birth|after delivery", r"seizure\w*|convuls\w+|\bfits?\b|fitting|(?:severe|bad|terrible|worst) headache|visual (?:disturb\w+|changes)|blurr\w+ vision|flashing lights|seeing (?:spots|stars)|(?:bp|blood pressure)(?: (?:is|of|at))* ?1[6-9]\d|right upper quadrant|pain (?:under|below) (?:my|her|the) ribs|epigastric pain"),
        r"@eclampsia(?! prophyl)"),
        CALL + " Say that she is pregnant; lay her on her left side, protect her from injury during a fit, and put nothing in her mouth."),
    Flag("bleeding in pregnancy", 7, (
        (r"\bpregnan\w+|\bgestation|trimester|\b\d{1,2} weeks\b(?! ago| old)", r"bleed\w*|\bblood\b(?! pressure| tests?| sugars?| types?| group| work| count| thin| glucose| flow| supply| vessel)|(?:passing|passed) (?:blood )?clots|spotting (?:heavily|with pain)|h(?:a)?emorrhag\w*|soak\w+ (?:through )?(?:a )?pads?|waters? (?:has |have )?broken? (?:with|and)(?: \w+)* (?:cord|green|blood)|cord (?:is )?(?:hanging|visible|prolaps\w+|out)"),),
        "Bleeding in pregnancy needs urgent care: call your local emergency number or go to the nearest maternity unit or emergency department now, most of all with pain, faintness, or more than one pad an hour. Note the amount and don't insert a tampon."),
    Flag("ectopic pregnancy", 6, (
        (r"\bpregnan\w+|positive (?:pregnancy )?test|missed (?:my |her )?period|late period|\b[4-9] weeks (?:pregnant|gestation)", r"(?:severe|sharp|one[- ]sided|sudden|left|right|intense|bad|terrible|lower)(?: \w+){0,3} (?:abdominal|belly|pelvic|tummy|stomach|side|lower abdomen|iliac fossa)(?: \w+)? ?(?:pain|cramps?)?", r"bleed\w*|spotting|faint\w*|dizz\w+|shoulder|collaps\w+|severe|light-?headed|passed out|hypotens\w+"),
        r"@(?:ruptured )?ectopic(?: pregnancy)? (?:and|bleeding|ruptur\w+)|@having an ectopic|@ruptured ectopic"),
        CALL + " Pain low in the belly with bleeding, faintness or shoulder-tip pain in early pregnancy can be a ruptured ectopic pregnancy: lie down, and take nothing by mouth."),
    Flag("reduced fetal movement", 9, (
        (r"!(?:baby|fetus|foetus|fetal|foetal)", r"!(?:not|hasn'?t|isn'?t|stopped|haven'?t felt|less|reduced|no|can'?t feel|decreased|fewer)(?: \w+){0,5} (?:mov\w+|kick\w*)|(?:mov\w+|kick\w*)(?: \w+){0,3} (?:less|stopped|reduced|decreased)", r"pregnan\w+|weeks|womb|felt|feel|fetal|foetal|fetus|trimester|kick\w*"),),
        "Fewer or no movements of the baby need a check today, now: call your maternity unit or labour ward at once, at any hour, and go in; don't wait until tomorrow and don't rely on a home doppler."),
    Flag("postpartum haemorrhage", 2, (
        (r"gave birth|(?:since|after|from) giving birth|postpartum|post[- ]partum|after (?:the )?(?:birth|delivery|giving birth)|(?:just|recently) delivered|(?:days?|weeks?|hours?) after (?:having|my|the|her) (?:baby|birth|delivery|c-?section)|placenta|newly delivered|\bdelivered\b(?=.{0,25}(?:ago|yesterday|today|this morning))|puerper\w+", r"(?:heavy|heavily|soak\w*|flood\w*|gushing|won'?t stop|large clots|clots|bleeding a lot|pour\w+|pads? (?:an|every|per|with)\b|500 ?ml|1 ?l(?:itre|iter)|boggy|massive|profuse\w*|uncontroll\w+)\b(?:.{0,40}(?:bleed\w*|blood|clots|pads?|loss))?"),),
        CALL + " Lay her flat with the legs raised and keep her warm; rub the womb firmly through the belly, put the baby to the breast if she can, and keep all pads and clots."),
    Flag("gastrointestinal bleeding", 6, (
        r"(?:vomit\w*|throw\w* up|threw up|cough\w* up|bringing up|spitting up|puk\w+)(?: \w+){0,5} (?:blood\b|coffee[- ]grounds?)|h(?:a)?ematemesis|blood(?: \w+){0,3} (?:in|when) (?:my |his |her |the )?vomit|coffee[- ]grounds? vomit\w*",
        (r"black(?: \w+){0,3} (?:stools?|poo\w*|bowel motions?|faeces|feces)|tarry|mel(?:a)?ena|(?:stools?|poo\w*)(?: (?:is|are|has been|like))+ (?:black|tar)|(?:large|lots|bright red|a lot|passing|pouring|maroon)(?: \w+){0,3} (?:blood|clots)(?: \w+){0,4} (?:rectum|stool|bottom|back passage|toilet|poo\w*|anus)", r"dizz\w+|faint\w*|light-?headed|pale|collaps\w+|weak\w*|" + _THINNER + r"|heart (?:is )?racing|tachycard\w+|hypotens\w+|clammy|sweat\w*|short\w* of breath|ibuprofen|sticky|now|today|since|has|have|passing|is")),
        CALL + " Lie down, take nothing by mouth, and tell the crew about blood thinners, painkillers such as ibuprofen, or liver disease."),
    Flag("aortic dissection", 4, (
        (r"tear\w*|ripp\w+|stabb\w+|splitting", r"(?:chest|back|between (?:my|his|her|the) shoulder blades)", r"pain|sensation|feeling|ache"), r"@aortic dissection"),
        CALL + " Keep the person lying still and calm; give no aspirin or blood thinner when the pain tears through the chest or back."),
    Flag("ruptured aneurysm", 5, (
        (r"\baaa\b|aortic aneurysm|pulsat\w+ (?:mass|lump|belly|abdomen|feeling)|aneurysm", r"pain|faint\w*|collaps\w+|hypotens\w+|ruptur\w+|leak\w*|dizz\w+|back|pass\w+ out"),),
        CALL + " Sudden belly or back pain with an aneurysm may be a rupture: keep the person lying still, with nothing by mouth."),
    Flag("pulmonary embolism", 5, (
        (_BREATHLESS + "|" + _CHEST + r"|cough\w* (?:up )?blood|h(?:a)?emoptysis|pleuritic", r"(?:calf|leg)(?: \w+){0,4} (?:swell\w*|swollen|pain\w*|tender\w*|clot|red)|(?:swollen|painful|swelling)(?: \w+){0,3} (?:calf|leg)|\bdvt\b|clot in (?:my|his|her) leg|long[- ]haul|(?:after|since)(?: \w+){0,4} (?:surgery|operation|flight|hip replacement|knee replacement)|cough\w* (?:up )?blood|h(?:a)?emoptysis|immobili[sz]ed|plaster cast", r"sudden\w*|now|today|since|short\w*|breath\w*|pain|blood|\bsob\b|dyspn\w+"),
        r"@(?:having|has|have|had|with|think\w*(?: \w+){0,4}) (?:a )?(?:massive |acute )?(?:pulmonary embol\w+|\bpe\b|blood clot in (?:my|his|her|the) lung)"),
        CALL + " Sit the person up, keep them still, and don't let them walk or drive to hospital."),
    Flag("cauda equina", 8, (
        (_BACKPAIN + r"|leg(?:s)? (?:weak\w*|numb\w*)|disc|lumbar", r"(?:saddle|groin|genital\w*|perine\w+|between (?:my|his|her|the) legs|private parts|buttocks?|inner thighs?)(?: \w+){0,4} ?(?:numb\w*|an(?:a)?esthesia|tingl\w+)?(?=.{0,40}(?:numb|anesth|anaesth|tingl|feel))|numb\w*(?: \w+){0,6} (?:saddle|groin|genital\w*|perine\w+|private\w*|buttocks?|bottom|between|anus)|(?:can'?t|cannot|unable to|lost|loss of|trouble|difficulty|wet|not able to|incontinen\w+)(?: \w+){0,4} ?(?:pee\b|urinat\w*|bladder|bowels?|wee\b|myself|himself|herself|continence|control)|incontinen\w+|urinary retention|saddle an(?:a)?esthesia"),
        (r"(?:saddle|groin|genitals?|perine\w+|private parts|buttocks?|between (?:my|his|her) legs|anus)", r"numb\w*|can'?t feel|cannot feel|no feeling|an(?:a)?esthesia", r"bladder|bowels?|urinat\w+|\bpee\b|incontinen\w+|stools?"),
        r"@cauda equina"),
        "These can be signs of cauda equina syndrome, which can paralyse for good: go to an emergency department with MRI now, today, and don't wait for a clinic appointment."),
    Flag("spinal cord compression", 8, (
        (r"cancer|metasta\w+|myeloma|tumou?r|fall|fell|injur\w+|abscess|accident|dived?|diving|" + _BACKPAIN, r"(?:legs?|both legs|arms and legs)(?: (?:are|is|have|has|gone|feel|suddenly|become|became|went|getting))* ?(?:weak\w*|numb\w*|paraly[sz]ed|giving way|won'?t move)|(?:can'?t|cannot|unable to|difficulty) (?:walk\w*|move (?:my|his|her) legs|feel (?:my|his|her) legs)|paralys\w+|leg weakness|weakness in both legs|sensory level", r"back|neck|spin\w+|cancer|metasta\w+|myeloma|fell|fall|dived?|diving|accident"),
        r"@(?:metastatic )?(?:spinal )?cord compression"),
        CALL + " Keep the spine still and the person lying flat; weakness or numbness of the legs with back pain needs imaging of the spine within hours."),
    Flag("testicular torsion", 9, (
        (r"testic\w+|testis|testes|scrot\w+|\bballs?\b(?! game| pit)", r"sudden\w*|severe|excruciating|agony|acute|unbearable|woke|hours?|swollen|vomit\w*|nause\w*|terrible|extreme", r"pain\w*|hurt\w*|ache|agony|swollen|tender|torsion"),
        r"@testicular torsion"),
        "Sudden severe pain in a testicle is torsion until proven otherwise, and it can be saved for about 6 hours: go to the nearest emergency department now, and don't eat or drink on the way."),
    Flag("acute limb ischaemia", 7, (
        (r"\b(?:leg|foot|arm|hand|toes?|fingers?|limb|calf)\b", r"\bcold\b|\bpulseless|no pulses?\b|ice[- ]cold|(?:can'?t|cannot) feel (?:a|the|any) pulse", r"pale|white|blue|numb\w*|pain\w*|weak\w*|mottled|paraly\w+|(?:can'?t|cannot) move", r"sudden\w*|severe|hour\w*|today|now|woke|acute|this morning|just|pulseless|no pulse"),
        r"@acute limb isch\w+"),
        CALL + " A leg or arm that is suddenly painful, pale and cold may be lost within 6 hours: keep it still and below heart level, and don't warm or massage it."),
    Flag("acute vision loss", 8, (
        r"sudden\w*(?: \w+){0,5} (?:vision loss|loss of (?:\w+ )?(?:vision|sight)|blind\w*|visual loss)|(?:lost|losing|can'?t see|cannot see|no vision|gone blind|went blind|going blind|blind)(?: \w+){0,8} (?:suddenly|sudden|all of a sudden|this morning|an hour ago|minutes? ago|today|hours ago)|sudden\w*(?: \w+){0,4} (?:lost|can'?t see|cannot see|went blind|gone blind|couldn'?t see)|curtain (?:\w+ ){0,5}(?:over|across|down|vision|eye)|(?:flashes|floaters)(?:.{0,40})(?:curtain|shadow|shower)|@retinal detachment|@central retinal artery",),
        "Sudden loss of sight is an emergency: go to an eye emergency department now and don't drive yourself; call your local emergency number (112, 911 or 120) if there is also weakness, trouble speaking, or headache."),
    Flag("chemical eye injury", 5, (
        (r"\beyes?\b", r"(?:bleach|acid|alkali|cement|lime|ammonia|chemical\w*|cleaner|lye|caustic|drain cleaner|detergent|paint thinner|solvent|pepper spray|plaster|battery fluid|oven cleaner|chlorine|hydroxide|super ?glue)", r"splash\w*|got|in (?:my|his|her|the|both)|into|sprayed|squirt\w*|burn\w*|spill\w*"),),
        "Rinse the eye with plenty of lukewarm water or saline right now, for at least 20 to 30 minutes, holding the lids open and taking out contact lenses; then go to an emergency department, or call your local emergency number while you rinse."),
    Flag("acute glaucoma", 9, (
        (r"\beyes?\b", r"(?:severe|sudden|terrible|intense|excruciating|worst|bad|really)(?: \w+){0,4} ?(?:pain\w*|hurt\w*|ache)|painful red eye|eye pain", r"halo\w*|vomit\w*|nause\w*|blurr\w*|hazy|cloudy|vision|(?:rock )?hard eye|fixed (?:mid-dilated )?pupil|mid[- ]dilated"),
        r"@(?:acute )?angle[- ]closure(?: glaucoma)?"),
        "A painful red eye with halos, blurred sight or vomiting may be acute glaucoma, which blinds within hours: go to an eye emergency department now, and don't cover the eye or lie in the dark."),
    Flag("head injury", 7, (
        (_HEAD, _VOMIT + r"|" + _THINNER + r"|(?:lost|loss of) consciousness|\bloc\b|knocked out|passed out|blacked out|unconscious|seizure|fit\b|confus\w+|drows\w+|sleepy|clear fluid|(?:blood|fluid)(?: \w+){0,3} (?:ear|nose)|unequal pupils?|pupils? (?:is|are|bigger|different|unequal)|severe headache|worsening headache|won'?t stop crying|slurr\w+|memory|can'?t remember|amnes\w+|gcs|weak\w*|double vision|blurr\w+|battle'?s sign|bruis\w+ behind"),
        (r"\bfell|fall(?:en)?\b", r"head", _THINNER)),
        CALL + " Keep the head and neck still, watch breathing and alertness, and give no aspirin or ibuprofen; anyone on a blood thinner needs a CT scan even when feeling well."),
    Flag("thunderclap headache", 5, (
        r"thunderclap|worst (?:ever )?headache (?:of (?:my|his|her) life|i'?ve ever|ever|i have ever|he'?s ever|she'?s ever)|worst headache|(?:sudden\w*|explosive|came on in seconds)(?: \w+){0,4} (?:severe |excruciating |terrible |agonizing |violent |splitting |massive )(?:\w+ )?headache|headache(?: \w+){0,6} (?:like (?:being )?(?:hit|struck)|exploded|out of nowhere|came on (?:suddenly|in seconds|instantly))|@subarachnoid",),
        CALL + " A headache that peaks within a minute may be bleeding around the brain: keep the person lying quietly, with no aspirin or ibuprofen."),
    Flag("seizure", 5, (
        r"(?:is|are|still|keeps?|been|started|'s) (?:\w+ )?(?:seizing|convulsing|fitting)\b|(?:having|has had|had|in the middle of|just had) (?:a |an |his |her |another |repeated |back to back |their )?(?:\w+ )?(?:seizures?|convulsions?|\bfits?\b(?! of))(?! (?:disorder|medic|last|in 2|years|as a|when))|seizure (?:is |has been |has )?(?:going on|lasting|lasted|ongoing|won'?t stop|not stopping|for)|seizure (?:for|lasting) (?:more than |over )?\d+|won'?t stop (?:seizing|shaking|convulsing)|@status epilepticus|first(?:[- ]ever)? (?:seizure|fit)|(?:jerking|shaking) (?:all over|uncontrollabl\w+)(?:.{0,40})(?:eyes? (?:rolled|rolling)|foam\w*|unrespons\w+|not respond\w+)|(?:eyes? (?:rolled|rolling) back|foaming at the mouth)|(?:shaking|jerking|twitching|convuls\w+)(?: and \w+)?(?: all over| uncontroll\w+)? for (?:\w+ ){0,3}min\w*|seizing (?:for|now)|convulsing|seizures? (?:that )?(?:won'?t|isn'?t|not|hasn'?t) stop\w*",),
        CALL + " Time the seizure, clear the space around, cushion the head, put nothing in the mouth, and roll the person onto the side when the jerking stops; beyond 5 minutes give the rescue medicine if one is prescribed."),
    Flag("electrocution", 5, (
        r"electrocut\w+|electric(?:al)? shock|(?:touched|grabbed|hit)(?: \w+){0,4} (?:live (?:wire|cable)|power ?line|overhead line|high[- ]voltage)|struck by lightning|hit by lightning|@lightning strike",),
        CALL + " Don't touch the person until the current is off; then check breathing, start CPR if there is none, and have every high-voltage or lightning injury seen in hospital."),
    Flag("drowning", 3, (
        r"\bdrown(?:ed|ing)\b|(?:pulled|found|rescued)(?: \w+){0,5} (?:from|out of|in|under|face down in)(?: \w+){0,2} (?:water|pool|river|sea|lake|bath(?:tub)?|pond)|under ?water for|inhaled (?:pool |sea )?water",),
        CALL + " Get the person out of the water without endangering yourself; if there is no normal breathing, give five rescue breaths and then CPR 30:2, and have them seen in hospital even if they recover."),
    Flag("burns", 7, (
        (_BURNED, r"(?:face|airway|mouth|neck|genital\w*|large|whole|entire|both (?:hands|legs|arms)|over (?:his|her|my|the)|all over|third[- ]degree|full[- ]thickness|deep|blister\w*|\d\d ?%|percent|acid|chemical|electric\w*|charred|white and|leathery|soot|singed|hoarse|body|chest|baby|toddler|infant|child|boiling|hot oil|house fire|explosion|fire|flames|torso)\b", r"(?:just|now|minutes?|ago|spilled|spilt|pulled|fell|poured|caught|exploded|explosion|fire|his|her|my|he|she|patient|year[- ]old|burned|scalded|tipped|splash\w*|got|gets|kid|child|son|daughter|toddler|baby)"),
        (r"boiling|hot (?:water|oil|tea|coffee|soup|milk|fat)", r"spill\w*|spilt|poured|pulled|tipped|knocked|splash\w*|fell", r"face|chest|body|child|baby|toddler|blister\w*|skin|arms?|legs?|son|daughter|himself|herself"),
        r"(?:he|she|clothes?|hair|i)(?: (?:is|are|am|was))? on fire|caught (?:on )?fire"),
        CALL + " Cool the burn under cool running water for 20 minutes, take off rings and loose clothing but nothing that sticks, and cover loosely with cling film; no ice, butter or cream."),
    Flag("heat stroke", 6, (
        (r"\bheat\b|\bhot (?:day|weather|sun|car|sauna)|\bsun\b|marathon|running|exercis\w+|outdoors?|heatwave|hot car|working outside|sauna|football practice|race", r"confus\w+|collaps\w+|delirious|unconscious|unrespons\w+|stopped sweating|not sweating|seizure|4[0-3](?:\.\d)? ?(?:°|degrees|c\b)|10[4-9](?:\.\d)? ?(?:°|degrees|f\b)|stagger\w*|slurr\w+|hot dry skin|skin (?:is )?(?:hot|dry)|rambling|passed out|incoheren\w+"),
        r"@heat ?stroke"),
        CALL + " Move the person into the shade and cool them at once: cold water over the whole body or immersion, fans, ice packs at neck, armpits and groin; nothing to drink while confused."),
    Flag("hypothermia", 6, (
        (r"\bcold\b|snow|freez\w+|icy|hypotherm\w+|outside all night|wet clothes|\bfroze\w*|winter|3[0-4](?:\.\d)? ?(?:°|degrees|c\b)|2\d(?:\.\d)? ?(?:°|degrees) ?c", r"stopped shivering|confus\w+|drowsy|slurr\w+|unrespons\w+|unconscious|stumbl\w+|stiff and|not shivering|core temp\w*|body temperature|very sleepy|barely awake|mumbl\w+", r"\bcold|snow|freez|hypotherm|outside|wet|froze|temperature|winter|core|ice|icy"),
        r"@(?:has|severe|have|with|think\w*(?: \w+){0,4}) hypothermi\w+"),
        CALL + " Bring the person somewhere warm and handle them gently, take off wet clothes, insulate the trunk first, and give warm sweet drinks only if fully awake; no rubbing, no alcohol."),
    Flag("venomous bite", 6, (
        r"(?:snake|viper|cobra|rattlesnake|adder|copperhead|mamba|krait|scorpion|black widow|box jellyfish|funnel[- ]web|brown recluse|blue[- ]ringed)(?: \w+){0,4} (?:bit|bite[sn]?|bitten|stung|struck|sting)|(?:bit|bitten|stung|struck)(?: \w+){0,6} (?:snake|viper|cobra|rattlesnake|adder|copperhead|mamba|krait|scorpion|black widow|jellyfish|funnel[- ]web|stonefish)|snake ?bite (?:on|to|just|now)|@snake ?bite",),
        CALL + " Keep the person still with the bitten limb at heart level, take off rings, and note the time; don't cut, suck, ice or tie off the bite, and don't try to catch the snake."),
    Flag("diabetic ketoacidosis", 7, (
        (r"diabet\w+|insulin|glucose|blood sugar|sugar(?:s)? (?:is|are|of)|\bbg\b|ketone\w*|t1d", r"(?:vomit\w*|fruity|acetone|deep breath\w*|breathing (?:\w+ )?(?:fast|deep|heavily)|kussmaul|drowsy|confus\w+|belly pain|abdominal pain|stomach pain|tummy pain|very thirsty|lethargic|ketones? (?:is|are|of|at|level)? ?(?:[3-9]|high|large|\+\+))", r"high|ketone\w*|fruity|acetone|\b(?:[2-9]\d\d|1[5-9]|2\d|3\d)(?:\.\d)?\b|missed|ran out|without insulin|no insulin|stopped (?:taking )?(?:my |his |her )?insulin|pump|kussmaul|hi\b|over 300|type 1"),
        r"@\bdka\b|@ketoacidosis"),
        CALL + " Check glucose and ketones, keep sipping water if awake, and don't stop basal insulin; vomiting, drowsiness or deep breathing needs hospital now."),
    Flag("severe hypoglycaemia", 3, (
        (r"(?:blood )?(?:sugar|glucose)s?(?: (?:level|reading|is|was|of|at|has|dropped|to|just|only|down|now|reads?|it'?s|gone))* ?(?:[12]\d|3\d|4\d|[12](?:\.\d)?)\b(?!\d|\.\d\d|%|,| ?years?|/)|(?:blood )?(?:sugar|glucose)(?: \w+){0,3} (?:very low|too low|so low|dangerously low|crashed|crashing|low)|hypoglyc\w+|\bhypo\b|too much insulin", r"confus\w+|unconscious|unrespons\w+|seiz\w+|shak\w+|sweat\w*|drows\w+|pass\w* out|can'?t swallow|combative|not making sense|won'?t wake|faint\w*|collaps\w+|slurr\w+|too much insulin|incoheren\w+|fitting|clammy"),
        (r"insulin", r"(?:too much|double|wrong|extra|accidentally|10 times|instead of)(?: \w+){0,5} ?(?:insulin|dose|units?)", r"took|taken|injected|gave|given|administered|used|injecting"),),
        CALL + " If awake and able to swallow: 15 to 20 g of sugar (juice, glucose tablets) and check again after 15 minutes. If not: nothing by mouth, glucagon if there is some, recovery position."),
    Flag("adrenal crisis", 7, (
        (r"addison\w*|adrenal insufficiency|adrenal crisis|steroid[- ]dependent|(?:stopped|ran out of|missed|without)(?: \w+){0,4} (?:steroids?|hydrocortisone|prednisone|prednisolone|fludrocortisone)|adrenal\b", r"vomit\w*|collaps\w+|faint\w*|confus\w+|(?:low|dropping) (?:bp|blood pressure)|hypotens\w+|very weak|can'?t keep|drowsy|diarrh\w+|unconscious|bp (?:is )?[5-8]\d/|dizz\w+|shock", r"addison\w*|adrenal\b|steroid\w*|hydrocortisone|predniso\w+|fludro\w+"),),
        CALL + " Say \"adrenal crisis\"; inject the emergency hydrocortisone (100 mg into the muscle for an adult) now if there is a kit, and lay the person down."),
    Flag("hyperkalaemia", 7, (
        (r"(?:potassium|\bk\+?)(?: (?:level|is|of|was|at|came back|has|now|reading|=))*[ :=]*(?:6\.[0-9]|[7-9](?:\.\d)?)\b(?! ?%)|hyperkal\w+", r"ecg|ekg|peaked|tented|sine wave|wide qrs|weak\w*|palpitation\w*|bradycard\w+|arrhythm\w+|missed(?: \w+){0,3} dialysis|chest|paralys\w+|faint\w*|patient|my|his|her|heart|broad"),
        (r"missed(?: \w+){0,4} dialysis|dialysis", r"weak\w*|palpitation\w*|paralys\w+|chest|faint\w*", r"missed|skipped|weak")),
        "A potassium of 6.0 mmol/L or more with symptoms or ECG changes can stop the heart: call the emergency number or the emergency team now, get a 12-lead ECG and continuous monitoring; calcium, then insulin with glucose, are given by the team at once."),
    Flag("neutropenic fever", 7, (
        (r"chemo\w*|neutrop\w+|leuka?emia|bone marrow transplant|stem cell transplant|\banc\b|low white", _FEVER + r"|shivering|rigors?|chills|38(?:\.\d)?\b"),),
        "Fever during chemotherapy is an emergency even when feeling well: call the 24-hour oncology line or go to the nearest emergency department now, say \"chemotherapy and fever\", and take no paracetamol to mask it; antibiotics belong within the hour."),
    Flag("major trauma", 4, (
        r"(?:hit|struck|run over|knocked down|crushed) by (?:a |an |the )?(?:\w+ )?(?:car|truck|bus|train|lorry|motorbike|motorcycle|vehicle|tractor|van|tree|machine)|fell (?:from|off|down)(?: \w+){0,5} (?:roof|ladder|balcony|(?:\d+|two|three|four|five|six|ten) ?(?:m\b|metres?|meters?|feet|ft|stor(?:e)?ys?|floors?|stories)|building|tree|height|scaffold\w*|window|horse|cliff|second floor|third floor)|(?:car|motorbike|motorcycle|bike|road traffic|vehicle) (?:crash|accident|collision)(?=.{0,80}(?:trapped|bleeding|unconscious|pain|hurt|injur|broken|now|just|can'?t|not))|(?:bone|bones) (?:is |are )?sticking (?:out|through)|open fracture|trapped under|impaled|(?:knife|glass|pole|stick|nail)(?: \w+){0,4} (?:in|through|stuck in)(?: \w+){0,2} (?:chest|abdomen|belly|neck|eye|stomach|head|back)|(?:flail|sucking) chest|crush(?:ed)? (?:injury|under|his|her|my) ?|intestines? (?:is |are )?(?:out|hanging|visible)",),
        CALL + " Don't move the person unless there is danger, keep head and neck still, press on bleeding, leave objects in the wound, and keep them warm."),
    Flag("violence", 8, (
        r"(?:husband|wife|boyfriend|girlfriend|partner|father|stepfather|dad|mother|ex)\b.{0,50}\b(?:strangl\w+|chok(?:ed|ing)|beat(?:s|ing|en)?|punch\w*|kick(?:s|ed|ing)|hits?|hitting|attack\w*|push(?:es|ed)|rap(?:ed|ing)|slapp?(?:s|ed|ing)?) (?:me|us)\b(?! up)|"
        r"(?:husband|wife|boyfriend|girlfriend|partner|father|mother|dad|mum|mom|stepfather|stepdad|ex|he|she|uncle|someone)(?: (?:is|has|just|keeps|was|will|threatens?|threatened|tried))* (?:to )?(?:beat(?:ing|en|s)?|strangl\w+|chok(?:ed|ing)|hit(?:ting|s)?|punch\w*|kick(?:ing|ed)|attack\w*|rap(?:ed|ing)|burn(?:ed|ing)|threaten\w*|abus(?:ed|ing)|going to hurt|hurting|kill(?:ing)?)(?: \w+)? (?:me\b|us\b|my (?:son|daughter|child|children|kids?|mother|sister|baby)|the (?:baby|child|children|kids?))|(?:i was|i've been|i have been|i just got|was just|she was|he was) (?:raped|sexually assaulted|strangled|beaten up)|(?:afraid|scared|frightened|worried)(?: \w+){0,4} (?:he|she|husband|partner|boyfriend|father)(?:'ll| will| is going to| might| would)? (?:kill|hurt|beat) me|not safe at home|(?:shak(?:en|ing|es)|shook) the baby|suspect\w* (?:child|physical|sexual) abuse|child(?:'s)? (?:is )?being (?:abused|beaten)",),
        "If you or a child are in danger now, call the police or your local emergency number (112, 911 or 110) and get to a safe place. In the US the domestic violence hotline is 1-800-799-7233 and the child abuse hotline 1-800-422-4453; injuries, and any strangling, should be seen in hospital today."),
    Flag("necrotising infection", 7, (
        (r"skin|wound|leg|arm|foot|groin|cellulitis|infection|abdomen|cut|scrotum|perine\w+|thigh", r"spreading(?: \w+){0,3} (?:fast|quickly|rapidly|by the hour|hour\w*)|(?:rapidly|quickly|fast) (?:spreading|progress\w+)|crepit\w+|crackl\w+ (?:under|skin)|(?:turning|turned|gone|going|has|becoming) (?:\w+ )?(?:black|purple|dusky)|dusky|pain(?: \w+){0,4} (?:out of proportion|unbearable|far worse)|bullae|foul|dishwater|blisters? (?:filled|with|and)", r"pain\w*|fever\w*|swollen|red\w*|agony|excruciating|hurts?"),
        r"@necroti[sz]ing fasciitis|@flesh[- ]eating|@fournier\w*|@gas gangrene"),
        CALL + " A skin infection with extreme pain, spreading within hours or turning dark needs surgery and antibiotics now; mark the edge with a pen and take nothing by mouth."),
    Flag("serotonin syndrome", 8, (
        (r"ssri|sertraline|fluoxetine|tramadol|maoi|mdma|ecstasy|linezolid|antidepressant\w*|venlafaxine|citalopram|escitalopram|paroxetine|duloxetine|phenelzine|dextromethorphan|st\.? john", r"agitat\w+|confus\w+|high fever|fever\w*|hyperthermi\w+|rigid\w*|stiff\w*|clonus|muscle jerk\w*|jerk\w+|twitch\w+", r"tremor\w*|shak\w+|sweat\w*|clonus|twitch\w+|rigid\w*|jerk\w+|fever\w*|racing|tachycard\w+|hot|hyperthermi\w+|hyperreflex\w+|4[0-2](?:\.\d)?"),
        (r"haloperidol|antipsychotic\w*|risperidone|olanzapine|clozapine|quetiapine|chlorpromazine|metoclopramide", r"rigid\w*|stiff\w*|lead[- ]pipe", r"fever\w*|hot|4[0-2](?:\.\d)?|39|confus\w+|hyperthermi\w+|sweat\w*"),
        r"@serotonin syndrome|@neuroleptic malignant|@malignant hyperthermia"),
        CALL + " Stop the suspected medicines, cool the person, and don't restrain them; take all packets along."),
    Flag("bowel emergency", 9, (
        (r"abdom\w+|belly|stomach|tummy", r"rigid|board[- ]like|rock hard|hard as|severe(?: \w+){0,3} (?:pain)|worst (?:\w+ )?pain|unbearable|excruciating|agony", r"vomit\w*|can'?t (?:move|stand|walk)|fever\w*|faint\w*|collaps\w+|no (?:gas|wind|stool)|swollen|distend\w*|sudden\w*|green|peritonit\w+|rebound|rigid|board|hours"),),
        "Sudden severe belly pain, a rigid belly, or pain with vomiting or fainting can need surgery within hours: go to the nearest emergency department or call your local emergency number now, and eat and drink nothing."),
    Flag("withdrawal", 9, (
        (r"alcohol|drinking|benzo\w*|xanax|diazepam|detox\w*|vodka", r"stopped|quit\w*|withdraw\w*|last drink|ran out|cold turkey", r"hallucinat\w+|seeing things|seiz\w+|\bfits?\b|confus\w+|delirium|shaking (?:badly|all over|uncontroll\w+)|tremens|severe (?:shakes|tremor)"),),
        CALL + " Sudden withdrawal from alcohol or benzodiazepines with seizures, confusion or hallucinations is life-threatening: keep the person safe and calm until help comes."),
    Flag("syncope", 9, (
        (r"faint\w*|passed out|syncop\w+|black\w* out|collaps\w+", r"during exercise|while (?:running|exercising|playing)|chest pain|palpitation\w*|heart (?:is |was )?racing|family history of sudden|on exertion|without warning|pacemaker|complete heart block|heart rate (?:of |is |was )?[23]\d\b"),
        (r"(?:heart rate|pulse|\bhr\b)(?: (?:is|of|was|at|only|has been|down|to|dropped))* ?(?:2\d|3\d|1[6-9]\d|2[0-4]\d)\b(?!/|%|\.)", r"dizz\w+|faint\w*|chest|confus\w+|weak\w*|pass\w* out|short\w* of breath|grey|pale|clammy|breathless\w*|hypotens\w+|collaps\w+|palpitation\w*")),
        CALL + " Lay the person flat with the legs raised and don't let them drive; fainting with exertion, chest pain or palpitations needs an ECG at once."),
)  # fmt: skip
