"""The language of a prompt, as rules see it."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from routerctl.classify.rules import failing_condition, holds
from routerctl.classify.rules.languages import LANGUAGES, language_of
from routerctl.errors import InputError
from routerctl.types import Condition, Inquiry, Rule

pycld2 = pytest.importorskip("pycld2")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Please summarise the attached contract in five bullet points.", "en"),
        ("Bitte fassen Sie den Vertrag in fünf Punkten zusammen.", "de"),
        ("Peux-tu résumer ce contrat en cinq points ?", "fr"),
        ("¿Dónde está mi pedido?", "es"),
        ("Oppsummer kontrakten i fem punkter, takk.", "no"),
        ("Пожалуйста, изложи договор в пяти пунктах.", "ru"),
        ("契約書を五つの要点にまとめてください。", "ja"),
        ("请用五点总结这份合同。", "zh"),
        ("請用五點總結這份合約。謝謝您的幫助。", "zh"),
        ("אנא סכם את החוזה בחמש נקודות.", "he"),
        ("Tolong rangkum kontrak ini dalam lima poin.", "id"),
        ("Wo ist\x00 mein\ud800 Paket?\ufffe", "de"),
        ("hi", None),
        ("42", None),
        ("", None),
        (" \n", None),
        ("\x00\x01\ud800", None),
        ("👍👍👍", None),
        ("asdf qwer zxcv", None),
    ],
)
def test_languages(text: str, language: str | None) -> None:
    """The language is told from a sentence on; what is too short to tell has none, and no character breaks it."""
    assert language_of(text) == language
    assert holds(Condition(language=("xx", language or "de")), Inquiry(prompt=text)) == (language is not None)


def test_the_language_is_that_of_the_beginning() -> None:
    """A prompt of a megabyte is not read to its end."""
    words = "where is the parcel that we have ordered from your shop last week and why does nobody answer this letter"
    start = " ".join(random.Random(1).choices(words.split(), k=6_000))  # noqa: S311 - any words will do
    assert language_of(f"{start} {'Wo ist mein Paket geblieben? ' * 50_000}") == "en"


def test_why_not() -> None:
    """The reason names the languages that were asked for."""
    rule = Rule(name="r", task_class="c", when=Condition(language=("de", "fr")))
    assert failing_condition(rule, Inquiry(prompt="hi")) == "is not in language de or fr, or is too short to tell"


def test_the_codes_are_those_that_are_told() -> None:
    """The list that a project is checked against holds what the library tells apart, in today's codes."""
    codes = dict(pycld2.LANGUAGES)
    told = {codes.get(name) or codes[name.upper()] for name in pycld2.DETECTED_LANGUAGES}
    today = {"iw": "he", "jw": "jv", "nn": "no"}
    assert {today.get(code, code) for code in told if len(code) == 2} == LANGUAGES


def test_without_the_package_there_is_one_clear_error() -> None:
    """A rule that asks for the language says what to install; other rules do without it."""
    code = (
        "import sys; sys.modules['pycld2'] = None\n"
        "from routerctl.classify.rules import holds\n"
        "from routerctl.types import Condition, Inquiry\n"
        "assert holds(Condition(min_chars=1), Inquiry(prompt='x'))\n"
        "holds(Condition(language=('de',)), Inquiry(prompt='x'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)
    last = done.stderr.strip().splitlines()[-1]
    words = "a rule asks for the prompt's language: pip install 'routerctl[language]'"
    assert last == f"{InputError.__module__}.InputError: {words}"


@pytest.mark.parametrize("needed", ["regex='x'", "has_code=True"])
def test_rules_import_their_libraries_when_they_need_them(needed: str) -> None:
    """Neither RE2, which also looks for code, nor CLD2 is imported for a rule that needs neither."""
    code = (
        "import sys\n"
        "from routerctl.classify.rules import holds, rule_warnings\n"
        "from routerctl.types import Condition, Inquiry, Rule\n"
        "one = Condition(min_words=1, keywords=('a',), is_json=False, features={'a': 1})\n"
        "holds(one, Inquiry(prompt='a', features={'a': 1}))\n"
        "assert not {'re2', 'pycld2', 'numpy'} & set(sys.modules)\n"
        f"holds(Condition({needed}), Inquiry(prompt='x'))\n"
        "assert {'re2', 'pycld2', 'numpy'} & set(sys.modules) == {'re2'}\n"
        "holds(Condition(language=('de',)), Inquiry(prompt='x'))\n"
        "assert {'re2', 'pycld2', 'numpy'} & set(sys.modules) == {'re2', 'pycld2'}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)
    assert (done.returncode, done.stderr) == (0, "")
