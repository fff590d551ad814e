"""Keywords in the scripts of the world: found as the word that was meant, and not as a part of another."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable
from functools import partial

import pytest

from routerctl.classify.rules import first_match, holds
from routerctl.types import Condition, Inquiry, Rule

# (keyword, text, found)
KOREAN = [
    ("환불", "환불을 원합니다", True),
    ("환불", "환불해 주세요", True),
    ("환불", "환불 부탁드려요", True),
    ("환불", "VIP환불은요?", True),
    ("환불", "환불2건", True),
    ("환불", "교환불가 상품인가요?", False),
    ("환불", unicodedata.normalize("NFD", "환불을 원합니다"), True),
    ("환불 요청", "어제 환불  요청했어요", True),
    ("api", "API를 알려주세요", True),
    ("ai", "한국AI의 미래", True),
    ("ai", "said를", False),
]
ARABIC = [
    ("استرداد", "أريد الاسترداد", True),
    ("استرداد", "طلبي هو واسترداد المال", True),
    ("استرداد", "بالاسترداد", True),
    ("استرداد", "للاسترداد", True),
    ("كتاب", "للكتاب", True),
    ("كتاب", "كتابها جديد", True),
    ("كتاب", "اشتريت كتابين", True),
    ("كتاب", "اكتتاب", False),
    ("فاتورة", "أين فاتورتي؟", True),
    ("إلغاء", "اريد الغاء الطلب", True),
    ("كتاب", "كِتَابٌ", True),
    ("كتاب", "كتـــاب", True),
    ("كِتاب", "كتاب", True),
    ("كتاب", "\ufedb\ufe98\ufe8e\ufe8f", True),
    ("علم", "معلومات", False),
    ("علم", "تعليم", False),
    ("api", "الAPI", True),
    ("سفارش", "سفارش\u200cها را ببینید", True),
    ("سفارش", "سفارشم نرسیده", True),
    ("سفارش", "سفارشهایم کجاست", True),
    ("کتاب", "كتابهای من", True),
    ("سفارشی", "سفارشي", True),
    ("کتاب", "میری کتابوں کا حساب", True),
    ("کتاب", "دو کتابیں", True),
]
HEBREW = [
    ("החזר", "ההחזר שלי", True),
    ("החזר", "רוצה להחזר", True),
    ("החזר", "וכשההחזר הגיע", True),
    ("החזר", "החזרים", True),
    ("מכתב", "מכתבים", True),
    ("חשבון", "החשבונות שלי", True),
    ("שלום", "שָׁלוֹם", True),
    ("החזר", "החזרלגטב", False),
    ("החזר", "צזהחזר", False),
    ("api", "בAPI", True),
]
CASED = [
    ("iade", "İADE İSTİYORUM", True),
    ("ısıtıcı", "ISITICI BOZUK", True),
    ("ISITICI", "ısıtıcı bozuk", True),
    ("i̇ade", "iade", True),
    ("İstanbul", "istanbul", True),
    ("iade", "İADESİ", False),
    ("straße", "DIE STRASSE", True),
    ("straße", "DIE STRAẞE", True),
    ("strasse", "die Straße", True),
    ("straße", "Straßen", False),
    ("επιστροφή", "ΕΠΙΣΤΡΟΦΗ ΧΡΗΜΑΤΩΝ", True),
    ("ΕΠΙΣΤΡΟΦΗ", "θέλω επιστροφή", True),
    ("λόγος", "ΛΟΓΟΣ", True),
    ("λόγος", "λόγοσ", True),
    ("λογος", unicodedata.normalize("NFD", "ὁ λόγος"), True),
    ("προϊόν", "ΠΡΟΪΟΝ", True),
    ("λόγος", "διάλογος", False),
    ("счёт", "пришлите счет", True),
    ("счет", "СЧЁТ", True),
    ("м'ята", "м\u02bcята", True),
    ("hoàn tiền", unicodedata.normalize("NFD", "Tôi muốn HOÀN TIỀN"), True),
    ("tiền", "tie\u0323\u0302\u0300n", False),
    ("việt", "vie\u0302\u0323t", True),
    ("hoàn", "hoan", False),
    ("refund", "ＲＥＦＵＮＤ please", True),
    ("ｒｅｆｕｎｄ", "Refund please", True),
    ("refund", "\U0001d42b\U0001d41e\U0001d41f\U0001d42e\U0001d427\U0001d41d now", True),
    ("refund", "re\u00adfund", True),
    ("50%", "５０％", True),
    ("refund", "\u200erefund\u200f", True),
    ("acme", "Acme™ phone", True),
    ("x", "x\u0302", False),
]
UNSPACED = [
    ("返金", "返金してください", True),
    ("人", "人々", True),
    ("カード", "ｶｰﾄﾞを失くした", True),
    ("ガス", "ｶﾞｽ料金", True),
    ("カ", "ガス", False),
    ("退款", "我要退款。", True),
    ("คืนเงิน", "ขอคืนเงินครับ", True),
    ("คน", "คนื", False),
    ("ຄືນເງິນ", "ຂໍຄືນເງິນແດ່", True),
    ("សងប្រាក់", "ខ្ញុំចង់សងប្រាក់វិញ", True),
    ("សងប្រាក់", "ខ្ញុំចង់\u200bសង\u200bប្រាក់\u200bវិញ", True),
    ("ငွေပြန်အမ်း", "ငွေပြန်အမ်းပေးပါ", True),
    ("api", "ใช้APIครับ", True),
]
INDIC = [
    ("रिफंड", "मुझे रिफंड चाहिए।", True),
    ("काम", "कामी", False),
    ("सेवा", "सेवा कब मिलेगी", True),
    ("सेवा", "सेवाओं", False),
    ("कर", "करना", False),
    ("क", "कि", False),
    ("वापसी", "वापसी\u200d चाहिए", True),
    ("ফেরত", "টাকা ফেরত চাই", True),
    ("பணம்", "என் பணம் எங்கே", True),
    ("பணம", "பணம்", False),
]
PLAIN = [
    ("refund", "refunds", False),
    ("refund", "a refund?", True),
    ("🙂", "🙂\ufe0f", True),
    ("€", "50€", True),
]


@pytest.mark.parametrize(
    ("keyword", "text", "found"), [*KOREAN, *ARABIC, *HEBREW, *CASED, *UNSPACED, *INDIC, *PLAIN], ids=ascii
)
def test_keywords_of_all_scripts(keyword: str, text: str, found: bool) -> None:
    """Particles, articles and vowel signs, capitals, composition and width do not hide a word, nor make one."""
    for prompt in (text, f"ok: {text}, ok", f"{text}\n{text}"):
        assert holds(Condition(keywords=(keyword,)), Inquiry(prompt=prompt)) == found


def test_what_is_written_onto_a_word_is_bounded() -> None:
    """A long word of letters that may be prefixes is not taken apart."""
    for letter, keyword in (("ו", "החזר"), ("و", "كتاب")):
        assert not holds(Condition(keywords=(keyword,)), Inquiry(prompt=letter * 50 + keyword))
        assert not holds(Condition(keywords=(keyword,)), Inquiry(prompt=keyword + letter * 50))


WORDS = """
    refund Straße İade ısıtıcı ΛΌΓΟΣ επιστροφή счёт ґанок վերադարձ თანხა החזר استرداد سفارش کتاب రీఫండ్ रिफंड ফেরত
    பணம் ಹಣ പണം આપો ਪੈਸੇ ආපසු คืนเงิน ຄືນເງິນ ငွေပြန် សងប្រាក់ ተመላሽ 환불 返金 退款 ｒｅｆｕｎｄ hoàn མི ᠮᠣᠩ ꦲꦏ 𐐐𐐨
""".split()  # noqa: SIM905 - 37 quoted words would be a page
FORMS: tuple[Callable[[str], str], ...] = (
    *(str, str.upper, str.title, str.casefold),
    *(partial(unicodedata.normalize, form) for form in ("NFC", "NFD", "NFKC", "NFKD")),
)
NOT_LETTERS = " \n\t.,;:!?()«»「」。、؟।•—\u00a0\u3000\u2028\x00\x1b\ud800\U0001f600"


def anything(drawn: random.Random, size: int) -> str:
    """A text of code points from all of Unicode, controls and halves of pairs included, and of words of all scripts."""
    some = [lambda: chr(drawn.randrange(0x110000)), lambda: chr(drawn.randrange(0x3000)), lambda: drawn.choice(WORDS)]
    return "".join(drawn.choice(some)() for _ in range(size))


@pytest.mark.parametrize("seed", range(4))
def test_no_prompt_breaks_a_rule_or_hides_a_word(seed: int) -> None:
    """Whatever stands before and after: a word between two signs that are no letters is found, in any form."""
    drawn = random.Random(seed)  # noqa: S311 - a seeded test
    for number in range(400):
        word = WORDS[number % len(WORDS)]
        form = drawn.choice(FORMS)
        before, after = (anything(drawn, drawn.randrange(40)) for _ in range(2))
        text = before + drawn.choice(NOT_LETTERS) + form(word) + drawn.choice(NOT_LETTERS) + after
        assert holds(Condition(keywords=(word,)), Inquiry(prompt=text)), ascii((word, text))


def test_a_megabyte_of_anything_is_decided() -> None:
    """Every condition answers on a megabyte of hostile text, whatever it is made of."""
    drawn = random.Random(7)  # noqa: S311 - a seeded test
    parts = [Condition(keywords=("환불 x", "החזר")), Condition(has_code=True), Condition(is_json=True)]
    parts += [Condition(regex=r"(?i)\bпривет\b\W*\d"), Condition(min_words=10**9), Condition(max_words=0)]
    rules = [Rule(name=str(place), task_class="c", when=part) for place, part in enumerate(parts)]
    pieces = ["\ud800", "\u0301", "א", "\U0010ffff", "привет "]
    for text in (anything(drawn, 100_000), *(piece * (10**6 // len(piece)) for piece in pieces)):
        asked = Inquiry(prompt=text)
        assert first_match(rules, asked) == next((rule for rule in rules if holds(rule.when, asked)), None)
