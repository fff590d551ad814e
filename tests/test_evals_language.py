"""Checks on the eval set `language`: balance, length, clean text, and the language itself by its function words."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

EVALS = Path(__file__).resolve().parent.parent / "evals"
LABELS = ("english", "french", "german", "spanish", "italian")
MIN_WORDS, MAX_WORDS = 5, 25
MIN_STOP_WORDS = 20
MAX_RUN = 4  # equal labels in a row

# A word that several of the five share (la, un, a, in, me, ...) stands in each of their lists, so it favours none.
_LISTS = {
    "english": """
        a about all an and are at back be because been behind beside both but by can could did do every for
        from had has have he her him his how i in is it me most my near no nobody not now of off on or our out
        so that the their them then there they this to up us was we what when where which who will with
        without you your
    """,
    "french": """
        a alors au aucun aux avec bien c ce cela ces cet cette chez d dans de depuis des devant du elle en
        entre es est et il ils j je l la le les leur leurs lui ma mais me mes mon n ne nos nous on ont ou où par
        parce pas peu plus pour presque près puis qu quand que quel qui s sa sans se ses son sont sur t te
        tes ton tous tout très tu un une vos votre vous à être
    """,
    "german": """
        aber als am an auch auf aus bald bei beim bin bis bitte da danach das dass dein dem den denn der des
        deshalb die dort du durch ein eine einem einen einer er erst es für gar gleich haben hat hatte ich
        im immer in ist jeden jetzt kann keiner können man mein meine meinem meinen mich mir mit nach nicht
        noch nur oder ohne sei seit sich sie sind so sonst trotzdem um und uns unser vom von vor wann war
        was wegen weil wenn werden wie wir wird wo zu zum zur über
    """,
    "spanish": """
        a al algo antes así aunque ayer bien cada como con cuando de del desde donde dos dónde el ella en
        entre era es esta estas este está están ha han hasta hay hoy la las le les lo los me mi mis mucha
        mucho muy más nadie ni ningún no nos nosotros nuestro o para pero por porque que quien qué se según
        si siempre sin sobre son su sus también tan te todo tu un una y ya yo
    """,
    "italian": """
        a ai al alla altro anche ancora che chi ci come con cosa così da dal dalla dalle degli dei del della
        delle di dopo dove due e ed era fa fino fra gli ha hai hanno ho i il in io l la le li lo ma me mi
        mia mio molto ne nel nella no non o ogni per perché più pure quando questa questi questo qui se sei
        sempre senza si sono sotto su subito sul sulla suo te tra tu tutti tutto un una uno è
    """,
}
STOP_WORDS = {label: frozenset(words.split()) for label, words in _LISTS.items()}


@cache
def spec() -> dict[str, Any]:
    """The eval set."""
    read: dict[str, Any] = yaml.safe_load((EVALS / "language.yaml").read_text(encoding="utf-8"))
    return read


@cache
def cases() -> list[dict[str, Any]]:
    """The cases of the eval set."""
    lines = (EVALS / spec()["cases"]).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def words(text: str) -> list[str]:
    """The lower-cased words of a text; an apostrophe parts words (l'eau is l, eau)."""
    return re.findall(r"[^\W\d_]+", text.lower())


def votes(text: str) -> dict[str, int]:
    """The number of words of a text that each language's stop-word list holds."""
    return {label: sum(word in STOP_WORDS[label] for word in words(text)) for label in LABELS}


def favours(text: str, label: str) -> bool:
    """Whether a text holds more stop words of one language than of any other."""
    counts = votes(text)
    return counts[label] > max(counts[other] for other in LABELS if other != label)


def test_stop_word_lists_are_long_and_distinct() -> None:
    """Each language has at least 20 stop words that no other list holds, so that the vote below can tell them apart."""
    for label in LABELS:
        others = frozenset[str]().union(*(STOP_WORDS[other] for other in LABELS if other != label))
        assert len(STOP_WORDS[label] - others) >= MIN_STOP_WORDS, label


@pytest.mark.parametrize("label", LABELS)
def test_stop_words_agree_with_the_label(label: str) -> None:
    """The function words of every input vote for its label, and strictly for no other language."""
    wrong = [
        (case["id"], case["input"], votes(case["input"]))
        for case in cases()
        if case["expected"] == label and not favours(case["input"], label)
    ]
    assert not wrong, wrong


def test_stop_words_agree_with_the_examples() -> None:
    """The function words of every few-shot example vote for its reply."""
    for example in spec()["prompt"]["examples"]:
        assert favours(example["input"], example["reply"]), (example, votes(example["input"]))


def test_each_label_has_one_example() -> None:
    """The few-shot examples show each language once, so that none is favoured."""
    assert Counter(example["reply"] for example in spec()["prompt"]["examples"]) == Counter(LABELS)


def test_labels_are_equally_frequent_at_each_difficulty() -> None:
    """Each language has the same number of cases, overall and within each difficulty."""
    assert set(spec()["reply"]["choices"]) == set(LABELS)
    counts = Counter((case["tags"][0], case["expected"]) for case in cases())
    for difficulty in ("easy", "medium", "hard"):
        assert len({counts[difficulty, label] for label in LABELS}) == 1, (difficulty, counts)


def test_labels_are_not_in_blocks() -> None:
    """No label stands more than four times in a row."""
    labels = "".join(str(LABELS.index(case["expected"])) for case in cases())
    assert not re.search(rf"(.)\1{{{MAX_RUN}}}", labels)


def test_inputs_are_short() -> None:
    """Every input has 5 to 25 words, and the mean length of a language is within a quarter of the overall mean."""
    lengths = {case["id"]: len([part for part in case["input"].split() if re.search(r"\w", part)]) for case in cases()}
    assert not {key: n for key, n in lengths.items() if not MIN_WORDS <= n <= MAX_WORDS}
    mean = sum(lengths.values()) / len(lengths)
    for label in LABELS:
        own = [lengths[case["id"]] for case in cases() if case["expected"] == label]
        assert abs(sum(own) / len(own) - mean) <= mean / 4, (label, sum(own) / len(own), mean)


def test_text_is_clean() -> None:
    """Inputs are in Unicode normal form C, single-spaced, without control or replacement characters."""
    for case in cases():
        text = case["input"]
        assert unicodedata.normalize("NFC", text) == text, case["id"]
        assert " ".join(text.split()) == text, case["id"]
        assert text.isprintable(), case["id"]
        assert "\ufffd" not in text, case["id"]


def test_no_input_names_its_language() -> None:
    """No input holds a label, which would give the answer away or mislead by accident."""
    for case in cases():
        assert not set(words(case["input"])) & set(LABELS), case["id"]


def test_hard_cases_say_why() -> None:
    """Each hard case has a second tag that names what makes it hard, and each kind occurs in at least two languages."""
    kinds: dict[str, set[str]] = {}
    for case in cases():
        if case["tags"][0] == "hard":
            assert len(case["tags"]) == 2, case["id"]
            kinds.setdefault(case["tags"][1], set()).add(case["expected"])
    assert set(kinds) == {"foreign-names", "loanwords", "related-words", "very-short"}
    assert all(len(labels) >= 2 for labels in kinds.values()), kinds
