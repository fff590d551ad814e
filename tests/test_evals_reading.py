"""Checks on the content of the `reading` eval set: balance, and that no surface cue gives the answer away."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

EVALS = Path(__file__).resolve().parent.parent / "evals"
SPEC = yaml.safe_load((EVALS / "reading.yaml").read_text(encoding="utf-8"))
CASES = [json.loads(line) for line in (EVALS / SPEC["cases"]).read_text(encoding="utf-8").splitlines() if line.strip()]
NEGATIONS = {
    "not", "no", "never", "none", "nobody", "neither", "nor", "nothing", "without", "cannot", "fail", "failed",
    "refused", "unless", "isn", "didn", "won", "doesn",
}  # fmt: skip


def words(text: str) -> list[str]:
    """Lower-case words of a text."""
    return re.findall(r"[^\W\d_]+|\d+", text.lower())


def naive_bayes_accuracy(texts: list[str]) -> float:
    """Leave-one-out accuracy of a bag-of-words classifier that sees only the given texts.

    The prior is left out: with balanced labels it would always point away from the held-out case.
    """
    bags = [set(words(text)) for text in texts]
    labels = [c["expected"] for c in CASES]
    size = Counter(labels)
    count = Counter((label, word) for bag, label in zip(bags, labels, strict=True) for word in bag)
    right = 0.0
    for bag, label in zip(bags, labels, strict=True):
        score = {}
        for guess in ("yes", "no"):
            own = 1 if guess == label else 0
            score[guess] = sum(
                math.log((count[guess, w] - own + 1) / (size[guess] - own + 2))
                for w in bag
                if count["yes", w] + count["no", w] > 1
            )
        right += 0.5 if score["yes"] == score["no"] else max(score, key=score.__getitem__) == label
    return right / len(CASES)


def test_labels_are_strings_and_balanced() -> None:
    """Labels are the strings yes and no, each 45 to 55 % overall and 40 to 60 % at each difficulty."""
    assert SPEC["reply"]["choices"] == ["yes", "no"]
    assert all(c["expected"] in ("yes", "no") for c in CASES)
    assert all(e["reply"] in ("yes", "no") for e in SPEC["prompt"]["examples"])
    assert 0.45 <= sum(c["expected"] == "yes" for c in CASES) / len(CASES) <= 0.55
    for level in ("easy", "medium", "hard"):
        part = [c["expected"] for c in CASES if c["tags"][0] == level]
        assert 0.4 <= part.count("yes") / len(part) <= 0.6, level


def test_labels_are_balanced_for_each_topic() -> None:
    """Within each topic (negation, quantifier, dates, ...) neither label has more than 60 % of the cases."""
    for topic in {c["tags"][1] for c in CASES}:
        part = [c["expected"] for c in CASES if c["tags"][1] == topic]
        assert 0.4 <= part.count("yes") / len(part) <= 0.6, topic


def test_inputs_have_a_passage_and_a_question() -> None:
    """Every input is exactly a passage and a question; the question is one sentence that ends in a question mark."""
    for case in CASES:
        assert set(case["input"]) == {"passage", "question"}, case["id"]
        assert case["input"]["question"].count("?") == 1, case["id"]
        assert case["input"]["question"].endswith("?"), case["id"]
        assert case["input"]["passage"].endswith((".", "!")), case["id"]


def test_question_opens_as_a_yes_no_question() -> None:
    """Every question starts with a verb that asks for yes or no, not with who, what, when, where, why, how or which."""
    openers = set("is are was were do does did has have had can could may must will would".split())  # noqa: SIM905
    assert not [c["id"] for c in CASES if words(c["input"]["question"])[0] not in openers]


def test_no_common_word_gives_the_answer_away() -> None:
    """No word that occurs in ten or more questions, or passages, goes with one label in more than 75 % of them."""
    for part in ("question", "passage"):
        seen: dict[str, Counter[str]] = {}
        for case in CASES:
            for word in set(words(case["input"][part])):
                seen.setdefault(word, Counter())[case["expected"]] += 1
        lopsided = {w: dict(n) for w, n in seen.items() if n.total() >= 10 and max(n.values()) / n.total() > 0.75}
        assert not lopsided, (part, lopsided)


def test_negation_does_not_mean_no() -> None:
    """Neither a negation in the question nor one in the passage goes with one label in more than 65 % of the cases."""
    for part in ("question", "passage"):
        labels = [c["expected"] for c in CASES if NEGATIONS & set(words(c["input"][part]))]
        assert len(labels) >= 8, part
        assert 0.35 <= labels.count("yes") / len(labels) <= 0.65, (part, Counter(labels))


def test_question_alone_does_not_answer() -> None:
    """A classifier that reads only the question, or only the passage, is right in at most 60 % of the cases."""
    for part in ("question", "passage"):
        assert naive_bayes_accuracy([c["input"][part] for c in CASES]) <= 0.6, part


def test_overlap_and_length_do_not_answer() -> None:
    """No threshold on word overlap with the passage, or on a length, is right in more than 63 %."""

    def overlap(case: dict[str, Any]) -> float:
        question = set(words(case["input"]["question"]))
        return len(question & set(words(case["input"]["passage"]))) / len(question)

    features: dict[str, Callable[[dict[str, Any]], float]] = {
        "overlap": overlap,
        "question length": lambda case: len(words(case["input"]["question"])),
        "passage length": lambda case: len(words(case["input"]["passage"])),
    }
    for name, feature in features.items():
        values = [(feature(c), c["expected"] == "yes") for c in CASES]
        for cut in sorted({v for v, _ in values}):
            right = sum((v >= cut) == yes for v, yes in values) / len(values)
            assert max(right, 1 - right) <= 0.63, (name, cut, right)


def test_passages_are_not_shared() -> None:
    """No passage is used twice, so that every case stands for itself, and no example reappears as a case."""
    passages = [c["input"]["passage"].casefold() for c in CASES] + [
        e["input"]["passage"].casefold() for e in SPEC["prompt"]["examples"]
    ]
    assert len(set(passages)) == len(passages)
