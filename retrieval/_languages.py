"""Languages of literature: ISO 639-2 codes (both kinds), ISO 639-1 codes and English names.

One table, read once. The three-letter codes are the bibliographic ones that MEDLINE prints, with
the terminology code where it differs. Knows nothing of documents.

Source: ISO 639-2 code list of the Library of Congress, cut to the languages of MEDLINE.
"""

from __future__ import annotations

# ISO 639-1, then ISO 639-2 (bibliographic[/terminology]), then English names.
_TABLE = """
af afr Afrikaans
am amh Amharic
ar ara Arabic
az aze Azerbaijani
be bel Belarusian
bg bul Bulgarian
bn ben Bengali
bs bos Bosnian
ca cat Catalan,Valencian
cs cze/ces Czech
cy wel/cym Welsh
da dan Danish
de ger/deu German
el gre/ell Greek
en eng English
eo epo Esperanto
es spa Spanish,Castilian
et est Estonian
eu baq/eus Basque
fa per/fas Persian,Farsi
fi fin Finnish
fr fre/fra French
ga gle Irish
gd gla Scottish Gaelic,Gaelic
gl glg Galician
he heb Hebrew
hi hin Hindi
hr hrv/scr Croatian
hu hun Hungarian
hy arm/hye Armenian
id ind Indonesian
is ice/isl Icelandic
it ita Italian
ja jpn Japanese
ka geo/kat Georgian
kk kaz Kazakh
ko kor Korean
ky kir Kyrgyz
la lat Latin
lb ltz Luxembourgish
lt lit Lithuanian
lv lav Latvian
mk mac/mkd Macedonian
ml mal Malayalam
mn mon Mongolian
ms may/msa Malay
my bur/mya Burmese
nl dut/nld Dutch,Flemish
no nor/nob/nno Norwegian
pl pol Polish
ps pus Pashto
pt por Portuguese
ro rum/ron/mol Romanian,Moldavian
ru rus Russian
sa san Sanskrit
sk slo/slk Slovak
sl slv Slovenian
sq alb/sqi Albanian
sr srp/scc Serbian
sv swe Swedish
sw swa Swahili
ta tam Tamil
te tel Telugu
th tha Thai
tl tgl Tagalog
tr tur Turkish
uk ukr Ukrainian
ur urd Urdu
uz uzb Uzbek
vi vie Vietnamese
zh chi/zho/cmn Chinese,Mandarin
"""

NAMES: dict[str, str] = {}
CODES: dict[str, str] = {"nb": "no", "nn": "no"}
for _line in _TABLE.strip().splitlines():
    _code, _three, _names = _line.split(" ", 2)
    NAMES[_code] = _names.split(",")[0]
    for _key in (_code, *_three.split("/"), *_names.lower().split(",")):
        CODES[_key] = _code
