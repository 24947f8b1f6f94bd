"""Identifiers in Chinese text: mobile numbers, identity cards, fields of names and addresses.

Promises the common forms of a record's head and of a consultation; names without a field, a title
or a sex and age behind them are not found. Knows nothing of other languages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Found = tuple[int, int, str]
_HAN = r"[\u4e00-\u9fff]"
_SURNAMES = (
    "欧阳|司马|上官|诸葛|夏侯|尉迟|皇甫|[王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾萧肖田董袁潘"
    "于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付傅方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严"
    "覃武戴莫孔向汤康易乔温庞樊施洪季鲁岳]"
)
_NAME = rf"(?:{_SURNAMES}){_HAN}{{1,2}}"
_TITLE = "医生|大夫|主任|教授|护士|院长|先生|女士|小姐|阿姨|同学"
_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("phone", re.compile(r"(?<!\d)(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?!\d)")),
    ("phone", re.compile(r"(?<!\d)0\d{2,3}[- ]\d{7,8}(?!\d)")),
    ("national_id", re.compile(r"(?<!\d)[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?![\dA-Za-z])")),
    ("name", re.compile(rf"(?:姓\s*名|患者姓名|病人姓名|联系人|家属|签名|主治医师|住院医师|医师|记录者|我叫|名叫|叫做)\s*[:：]?\s*(?P<v>{_NAME})(?!{_HAN}*[:：])")),
    ("name", re.compile(rf"(?:患者|病人|患儿)(?P<v>{_NAME}?)(?=[,，、 ]*(?:男|女)[,，性 、。])")),
    ("name", re.compile(rf"(?<!{_HAN})(?P<v>(?:{_SURNAMES}){_HAN}{{0,2}}?)(?=(?:{_TITLE}))")),
    ("name", re.compile(rf"(?<=[找见是请由谢给])(?P<v>(?:{_SURNAMES}){_HAN}{{0,2}}?)(?=(?:{_TITLE}))")),
    ("mrn", re.compile(r"(?:住院号|病历号|病案号|门诊号|就诊号|登记号|检查号|床号|医保号|社保号|卡号)\s*[:：]?\s*(?P<v>[A-Za-z0-9-]{2,20})")),
    ("address", re.compile(r"(?:住址|地址|家庭住址|现住址|籍贯|户籍|工作单位|单位)\s*[:：]\s*(?P<v>[^\n,，;；。]{2,40})")),
    ("address", re.compile(rf"(?:{_HAN}{{2,3}}省)?{_HAN}{{2,4}}市(?:{_HAN}{{1,4}}[区县])?(?:{_HAN}{{1,8}}[路街道巷])?\d{{1,5}}号(?:\d{{1,4}}[室栋单元]\d*)*")),
    ("facility", re.compile(rf"(?:{_HAN}{{2,3}}省)?{_HAN}{{2,3}}[市县区](?:{_HAN}{{0,6}})?(?:医院|卫生院|诊所|卫生服务中心)")),
    ("facility", re.compile(r"(?:北京|上海|广州|天津|重庆|南京|武汉|成都|西安|杭州|深圳|四川|湖南|湖北|中南|浙江|山东|河南)[\u4e00-\u9fff]{0,8}?(?:协和|华西|人民|中心|大学|附属|第[一二三四五六七八九十]+|中医|妇幼|儿童|肿瘤)[\u4e00-\u9fff]{0,6}?医院")),
)  # fmt: skip


def find(text: str) -> Iterator[Found]:
    """Yield (start, end, kind) of identifiers in Chinese text; nothing in a text without it."""
    if not re.search(_HAN, text) and not re.search(r"1[3-9]\d{9}", text):
        return
    for kind, form in _FORMS:
        for match in form.finditer(text):
            start, end = match.span("v" if "v" in form.groupindex else 0)
            if end > start:
                yield start, end, kind
