"""Names of people in every language of the word problems.

All begin with a consonant that is spoken, so that French `de` and Spanish `y` stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["LANGUAGES", "PEOPLE"]

LANGUAGES = ("en", "es", "fr", "zh", "th")
"""The languages of every template, English first."""

_WOMEN = """
Nora Nora Nora 诺拉 นอรา
Marta Marta Marta 玛尔塔 มาร์ตา
Lina Lina Lina 莉娜 ลินา
Sofia Sofía Sofia 索菲亚 โซเฟีย
Clara Clara Clara 克拉拉 คลารา
Rosa Rosa Rosa 罗莎 โรซา
Vera Vera Vera 薇拉 เวรา
Julia Julia Julia 朱莉娅 จูเลีย
Paula Paula Paula 保拉 เปาลา
Dana Dana Dana 达娜 ดานา
"""
_MEN = """
Bruno Bruno Bruno 布鲁诺 บรูโน
Leo Leo Léo 里奥 ลีโอ
Daniel Daniel Daniel 丹尼尔 แดเนียล
Victor Víctor Victor 维克多 วิกเตอร์
Thomas Tomás Thomas 托马斯 โทมัส
Samuel Samuel Samuel 塞缪尔 ซามูเอล
Pablo Pablo Pablo 巴勃罗 ปาโบล
Martin Martín Martin 马丁 มาร์ติน
Simon Simón Simon 西蒙 ไซมอน
Lucas Lucas Lucas 卢卡斯 ลูคัส
"""


def _read(table: str) -> tuple[Mapping[str, str], ...]:
    lines = table.strip().splitlines()
    return tuple(dict(zip(LANGUAGES, line.split(), strict=True)) for line in lines)


PEOPLE: Mapping[str, tuple[Mapping[str, str], ...]] = {"woman": _read(_WOMEN), "man": _read(_MEN)}
"""The names of women and men, each by language."""
