"""Word lists of de-identification: what may be a person's name, and what never is.

Promises that a word of the record lists (drugs, conditions, labs, procedures) is no name by itself,
and that an eponym (Parkinson, Hodgkin, Foley) is none beside its disease, sign, test or device.
Knows nothing of the rules that use the lists.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_WORD = re.compile(r"[^\W\d_]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TITLES = _words(
    "mr mrs ms miss mx dr drs prof professor doctor sir madam dame lord lady rev reverend fr sr señor "
    "señora herr frau monsieur madame mme mlle judge officer sgt capt captain lt col maj gen"
)
# Titles that announce a name even in a text without capitals.
SHORT_TITLES = frozenset({"mr", "mrs", "ms", "dr", "prof", "mx"})
PARTICLES = _words(
    "de del della da das dos di du la le van von der den ter ten al el bin ibn ben st mac zu"
)
CREDENTIALS = frozenset(
    {
        "MD", "DO", "PhD", "RN", "NP", "PA", "PA-C", "LPN", "BSN", "MSN", "DNP", "APRN", "FNP", "CRNA",
        "DDS", "DMD", "PharmD", "MBBS", "MBChB", "FRCP", "FACP", "FACS", "DPM", "OD", "PT", "DPT", "OT",
        "LCSW", "MPH", "CNM", "CNS", "PsyD", "DVM", "RD", "MRCP", "FRCS", "BMBS", "ARNP",
    }
)  # fmt: skip
RELATIONS = _words(
    "wife husband spouse son daughter mother father brother sister aunt uncle niece nephew cousin "
    "grandson granddaughter grandmother grandfather grandma grandpa girlfriend boyfriend fiance "
    "fiancee fiancé fiancée partner roommate neighbor neighbour friend mom dad mum stepson "
    "stepdaughter stepmother stepfather nurse caregiver carer guardian named surnamed"
)
# Behind these a word is the name of a disease, sign, test, device or method, not of a person.
HEADS = _words(
    "disease diseases syndrome syndromes sign signs palsy lymphoma lymphomas sarcoma tumor tumour "
    "tumors tumours disorder phenomenon triad tetrad pentad reflex maneuver manoeuvre test tests "
    "score scores scale scales index criteria criterion classification grade stage staging catheter "
    "catheters tube tubes drain clamp forceps retractor stent valve shunt bag mask needle pump cuff "
    "cast splint collar boot bandage dressing line port pouch ring pessary implant prosthesis "
    "fracture fractures dislocation deformity contracture hernia hernias esophagus oesophagus ulcer "
    "ulcers cyst nodes nodules node nodule body bodies cell cells spots spot rash purpura gangrene "
    "anemia anaemia thyroiditis arthritis chorea ataxia dystrophy atrophy neuropathy paralysis "
    "dementia encephalopathy encephalitis epilepsy seizure seizures hemorrhage haemorrhage effect "
    "dysplasia kinase kinases gene genes protein proteins variant variants mutation mutations domain receptor dogs "
    "spaniel law rule equation formula model models curve curves plot plots method methods procedure "
    "procedures operation operations repair technique approach incision osteotomy amputation "
    "position stain staining gland glands duct ducts canal tendon ligament muscle artery vein plexus "
    "node bundle fibers fibres ganglion layer membrane cartilage angle point line lines space pouch "
    "trial trials study studies cohort register registry protocol regimen diet therapy vaccine virus "
    "viruses bacillus rats rat mice mouse hamsters rabbits agar solution buffer reaction antigen "
    "antibody factor correction regression distribution coefficient statistics statistic analysis "
    "inventory questionnaire interview checklist battery instrument fever nephropathy "
    "nephritis glomerulonephritis granulomatosis vasculitis leukemia leukaemia carcinoma "
    "melanosis keratosis neuroma glioma hamartoma teratoma mucormycosis polyposis "
    "malformation anomaly tetralogy heart kidney foot toe finger knee elbow shoulder "
    "pupil pupils pattern type types gait stroke respiration breathing respirations block murmur "
    "phase filter screw rod nail plate wire pin dilator laryngoscope scope tonometer lamp lens "
    "chart charts card exam examination assessment maneuvers manoeuvres exercises exercise"
)
EPONYMS = _words(
    "parkinson parkinsons crohn crohns hodgkin hodgkins bell bells down downs foley alzheimer "
    "alzheimers huntington graves hashimoto addison cushing raynaud sjogren sjögren marfan turner "
    "klinefelter barrett barretts wilson paget kaposi kawasaki tourette wernicke korsakoff ewing "
    "wilms burkitt guillain barre barré bechet behcet behçet meniere ménière asperger rett apgar "
    "glasgow braden morse wells murphy mcburney rovsing romberg babinski kernig brudzinski lachman "
    "mcmurray phalen tinel homans trousseau chvostek battle virchow osler janeway roth charcot marie "
    "tooth stevens johnson lynch gardner lou gehrig baker ludwig dupuytren peyronie hirschsprung "
    "meckel zenker mallory weiss gilbert crigler najjar dubin rotor budd chiari arnold dandy walker "
    "von willebrand fanconi bartter gitelman liddle conn sheehan zollinger ellison whipple nissen "
    "hartmann billroth roux heller kocher pfannenstiel mcroberts bishop ballard duchenne becker "
    "gowers friedreich lambert eaton devic creutzfeldt jakob lewy pick niemann tay sachs gaucher "
    "fabry pompe hurler hunter ehlers danlos osgood schlatter legg perthes colles smith monteggia "
    "galeazzi bennett jones lisfranc pott potts weber salter harris garden gustilo schatzker swan "
    "ganz hickman broviac jackson pratt penrose blakemore sengstaken holter doppler bartholin skene "
    "cowper brenner krukenberg leydig sertoli kupffer langerhans schwann purkinje betz golgi nissl "
    "bowman henle malpighi peyer brunner oddi vater wirsung eustachian fallopian gram ziehl neelsen "
    "giemsa wright coombs schirmer rinne snellen ishihara weil felix mantoux kaplan meier mann "
    "whitney fisher wilcoxon cox bonferroni tukey kruskal wallis dunnett newman keuls spearman "
    "pearson student bland altman cochran mantel haenszel hardy weinberg kolmogorov smirnov shapiro "
    "wilk levene cronbach cohen likert hamilton beck young montgomery asberg zung sprague dawley "
    "wistar lewis fischer swiss webster bayes monte carlo ringer lugol ranson child pugh killip "
    "duke framingham norwood fontan blalock taussig mustard ross glenn bentall ebstein eisenmenger "
    "fallot epley hallpike valsalva heimlich credé moro galant ortolani barlow apley spurling hoffmann "
    "hoffman waddell trendelenburg thompson faber ober thomas ely finkelstein neer hawkins kennedy "
    "jobe speed allen adson ranvier rathke luschka monro sylvius willis galen broca brodmann "
    "heberden bouchard schmorl cobb scheuermann klippel feil sturge prader willi angelman williams "
    "noonan edwards patau digeorge kearns sayre leigh leber stargardt best usher alport goodpasture "
    "berger henoch schonlein schönlein wegener churg strauss takayasu buerger horton still felty "
    "reiter caplan hamman rich pancoast horner kartagener cheyne stokes biot kussmaul ringers bruce "
    "lyme marburg norwalk coxsackie hansen chagas carrion vincent plaut epstein barr rous hib "
    "langer giedion kallmann laurence moon bardet biedl peutz jeghers cowden gorlin turcot "
    "waldenstrom waldenström bence richter sezary sézary brill zuelke merkel bowen wallenberg "
    "weber rendu brown sequard séquard todd jacksonian west lennox gastaut dravet rolandic rasmussen "
    "harrison bochdalek morgagni spigel richter littre amyand petit hill mayo mercier"
)
# Words that are written with a capital and are no names: openings of sentences, headings,
# departments, months, peoples.
_COMMON = (
    "the a an and or but if in on at by to of for from with without as is are was were be been being "
    "has have had do does did not no yes he she it they we you i his her their our your my its this "
    "that these those there here who whom whose what which when where why how all any both each few "
    "more most other some such only own same so than too very can will just should now then once "
    "also however therefore otherwise since until while after before during because due per via upon "
    "denies denied reports reported states stated notes noted endorses complains presents presented "
    "continues continue start started stop stopped take takes taking given gave received today "
    "tomorrow yesterday monday tuesday wednesday thursday friday saturday sunday january february "
    "march april may june july august september october november december jan feb mar apr jun jul "
    "aug sep sept oct nov dec spring summer autumn fall winter morning afternoon evening night noon "
    "patient patients pt pts male female man woman men women boy girl boys girls child children "
    "infant baby adult adults elderly lady gentleman gentlemen person people family mother father "
    "brother sister son daughter wife husband doctor doctors physician physicians nurse nurses "
    "surgeon provider staff team clinic hospital hospitals center centre office ward unit "
    "department emergency room intensive care icu er ed operating clinical medical medicine surgery "
    "surgical cardiology dermatology neurology oncology orthopedics orthopaedics pediatrics "
    "paediatrics psychiatry psychology radiology pathology urology nephrology gastroenterology "
    "endocrinology rheumatology hematology haematology pulmonology ophthalmology anesthesia "
    "anesthesiology gynecology gynaecology obstetrics physical occupational speech therapy therapist "
    "rehabilitation pharmacy pharmacist laboratory lab labs imaging internal general primary urgent "
    "chief complaint complaints history present illness past social review systems system "
    "examination exam vital vitals signs assessment plan impression diagnosis diagnoses results "
    "result findings finding medications medication allergies allergy instructions reasoning "
    "additional testing treatment treatments education counseling counselling referral referrals "
    "specialist agreements agreement constitutional cardiovascular respiratory gastrointestinal "
    "genitourinary musculoskeletal neurological psychiatric skin head eyes ears nose mouth throat "
    "neck chest heart lungs lung abdomen back extremities extremity left right bilateral upper lower "
    "anterior posterior lateral medial acute chronic severe mild moderate normal abnormal positive "
    "negative elevated decreased increased blood pressure pulse rate temperature weight height body "
    "mass index procedure procedures operation discharge admission date time name age sex gender "
    "address phone telephone email fax number street city state country zip code record account "
    "dictated signed electronically attending resident consultant referring dear sincerely regards "
    "thank thanks please hello hi hey okay ok well good great sure right oh um uh yeah "
    "american african asian caucasian hispanic latino latina white black european english french "
    "german italian spanish portuguese dutch swedish danish norwegian finnish polish russian chinese "
    "japanese korean indian mexican canadian australian british irish scottish welsh greek turkish "
    "arab arabic jewish christian muslim catholic hindu buddhist protestant vietnamese filipino "
    "hungarian czech croatian slovenian icelandic estonian brazilian north south east west northern "
    "southern eastern western new old first second third one two three four five six seven eight "
    "nine ten group study trial method methods objective objectives background conclusion "
    "conclusions introduction discussion purpose aim aims design setting subjects participants "
    "intervention measurements main outcome outcomes measure measures case cases report reports data "
    "table figure section chapter page source sources answer question questions summary university "
    "college institute institution school national international association society foundation "
    "committee board council company corporation inc llc ltd group service services health "
    "healthcare world organization food drug administration united states kingdom america europe "
    "africa asia australia canada china japan india mexico brazil germany france italy spain england "
    "scotland wales ireland korea russia israel egypt iran iraq turkey greece sweden norway denmark "
    "finland poland hungary austria switzerland belgium netherlands portugal vitamin type grade stage "
    "class level factor phase unknown none nil self-employed retired initiate consider advise "
    "advised encouraged discussed explained reviewed ordered refer referred schedule follow followup "
    "follow-up return call called see seen saw visit visited patient's covid dax ekg ecg mri ct xray "
    "x-ray ultrasound echocardiogram god thanksgiving christmas easter halloween internet website"
)  # fmt: skip
_TABLES = ("drugs.tsv", "problems.tsv", "procedures.tsv", "labs.tsv", "allergens.tsv")
STATES = (
    "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|"
    "Idaho|Illinois|Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|"
    "Minnesota|Mississippi|Missouri|Montana|Nebraska|Nevada|New Hampshire|New Jersey|New Mexico|"
    "New York|North Carolina|North Dakota|Ohio|Oklahoma|Oregon|Pennsylvania|Rhode Island|"
    "South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington|West Virginia|"
    "Wisconsin|Wyoming"
)
STATE_CODES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|"
    "NC|ND|OH|OK|OR|PA|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY|DC"
)


def _read(table: str) -> list[str]:
    content = files("assistant.records").joinpath(table).read_text(encoding="utf-8")
    lines = (line for line in content.splitlines() if not line.startswith("#"))
    return [word for line in lines for word in line.split()]


@cache
def given_names() -> tuple[frozenset[str], frozenset[str]]:
    """Return given names that are nothing else, and those that are words or places too."""
    return _parted("given_names.tsv")


@cache
def surnames() -> tuple[frozenset[str], frozenset[str]]:
    """Return family names that are nothing else, and those that are words too."""
    return _parted("surnames.tsv")


def _parted(table: str) -> tuple[frozenset[str], frozenset[str]]:
    words = _read(table)
    unsure = {word[1:] for word in words if word.startswith("~")}
    return frozenset(w for w in words if not w.startswith("~")) - unsure, frozenset(unsure)


@cache
def common() -> frozenset[str]:
    """Return words in lower case that are never part of a name."""
    return _words(_COMMON)


@cache
def medical() -> frozenset[str]:
    """Return the words of the record lists in lower case, without those that are names as well."""
    words: set[str] = set()
    for table in _TABLES:
        content = files("assistant.records").joinpath(table).read_text(encoding="utf-8")
        for line in content.splitlines():
            if not line.startswith("#"):
                words.update(word.lower() for word in _WORD.findall(line))
    names = given_names()[0] | surnames()[0] | EPONYMS
    return frozenset(word for word in words if len(word) > 1) - names


def blocked(word: str) -> bool:
    """Whether a word can't be part of a name by itself."""
    lower = word.lower()
    return lower in common() or lower in medical()
