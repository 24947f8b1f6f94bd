"""Words that a question may hold without the evidence having to hold them."""

from __future__ import annotations

from retrieval import words

_WORDS = """
germ germs bug bugs tablet tablets pill pills jab jabs
acceptable according actually adult adults advice advise age aged agent agents alternative among
amount another answer apart apply appropriate approach ask associated available away back base based
basic begin best better big both bring call case cases certain change choice choose chosen clinical
clinically clinician come common commonly compared consider considered contain correct could currently
daily day days decide depend describe details determine differ difference different differential
differentiate discuss distinguish doctor doctors doc drug drugs early effect effective effectively
effects else ensure especially every evidence exactly example examples expect explain fact facts factor
fast features feel find fine first frequent frequently full general generally get gets getting give
given gives giving go goal good great group guideline guidelines handle happen happens have having
help helpful helps high hospital hours hour immediate immediately important include including
indicate indicated individual information initial initially initiate interested intervention involve
issue keep key kind kinds know known last late latest lead least let level like likely line list long look
looking low main mainly make making many matter mean means measure measures medical medication
medications medicine medicines mention method minimum minutes month months most much name named names
necessary need needed needs new next normal normally number occur often okay one optimal option
options order ordered orders otherwise overall part particular patient patients people percent perform
performed period person persons place please point possible potential practice preferred prescribe
prescribed prescribing present problem problems provide purpose put question questions quick quickly
raised range rapid rapidly rate rather reason reasons receive recommend recommendation
recommendations recommended reduce regarding regimen relate related relevant remain require required
requires result results review right role routine routinely rule safe safely say see seen separate
several should show shown shows signs similar simple simply single situation someone sort specific
stage standard start started starting state step steps still stop subject such suggest suggested
suitable suspect suspected suspicion take taken takes taking talk target tell term terms thing things think
time times today together tool top total toward try trying two type types typical typically unit units
update upon usage use used useful user uses using usual usually value values various versus want way
ways week weeks well whether within without woman women man men work works worry would write year
years yes boy girl guy lady mother father mum mom dad wife husband son daughter friend relative family
sufferer sufferers someone's patient's everyone anyone somebody anybody adult's really also ever
quite much overview summary brief briefly define definition meaning stand stands hi hello thanks
complain complains turn turned turns carry wait woman's itchy contain contains affect affects affected affecting cause caused manage management treat treated
treatment treatments therapy therapies avoid diagnosis diagnosed diagnose suspected confirm confirmed
confirms exclude excluded test tests testing symptom symptoms sign cure drug's quantity scheme
""".split()  # noqa: SIM905
_STEMS = frozenset(words.stem(w) for w in _WORDS)


def is_generic(word: str) -> bool:
    """Whether a word says nothing about what a question hinges on."""
    return words.stem(word) in _STEMS
