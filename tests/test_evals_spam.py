"""Checks on the eval set `spam`: balance, harmless hosts, and no word, mark or length that gives the label away."""

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import yaml

EVALS = Path(__file__).resolve().parent.parent / "evals"
LABELS = ("spam", "ok")
MIN_WORDS, MAX_WORDS = 10, 45
MAX_RUN = 4  # equal labels in a row
MAX_WORD_RULE = 0.7
MAX_LENGTH_RULE = 0.65

# Reserved names (RFC 2606): nobody can own them, so no link leads anywhere a reader could be harmed.
RESERVED_HOST = re.compile(r"(?:[a-z0-9-]+\.)*(?:example|example\.(?:com|org|net))")
# Whatever looks like a host: what follows a scheme or an at sign, or a dotted name that ends in letters (8.4 does not).
HOST = re.compile(r"(?:https?://|@)([^\s/:,;]+)|\b([a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,})\b", re.IGNORECASE)


@cache
def spec():
    """The eval set."""
    return yaml.safe_load((EVALS / "spam.yaml").read_text(encoding="utf-8"))


@cache
def cases():
    """The cases of the eval set."""
    lines = (EVALS / spec()["cases"]).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def words(text):
    """The set of lower-cased words and numbers of a text."""
    return frozenset(re.findall(r"[^\W_]+", text.lower()))


def accuracy_of_rule(flags):
    """The accuracy of "flagged means spam" or of its opposite, whichever is higher."""
    right = sum(flag == (case["expected"] == "spam") for flag, case in zip(flags, cases(), strict=True))
    return max(right, len(cases()) - right) / len(cases())


def hosts(text):
    """The hosts a text names, lower-cased, without the point that ends a sentence."""
    return [(linked or bare).lower().rstrip(".") for linked, bare in HOST.findall(text)]


def test_labels_are_equally_frequent_at_each_difficulty():
    """Spam and ok have the same number of cases, overall and within each difficulty."""
    assert set(spec()["reply"]["choices"]) == set(LABELS)
    counts = Counter((case["tags"][0], case["expected"]) for case in cases())
    for difficulty in ("easy", "medium", "hard"):
        assert counts[difficulty, "spam"] == counts[difficulty, "ok"], counts


def test_labels_are_not_in_blocks():
    """No label stands more than four times in a row."""
    labels = "".join(case["expected"][0] for case in cases())
    assert not re.search(rf"(.)\1{{{MAX_RUN}}}", labels)


def test_examples_show_both_labels():
    """The few-shot examples show spam and ok equally often, give or take one."""
    counts = Counter(example["reply"] for example in spec()["prompt"]["examples"])
    assert abs(counts["spam"] - counts["ok"]) <= 1, counts
    assert min(counts[label] for label in LABELS) >= 2, counts


def test_no_single_word_separates_the_classes():
    """The best rule of one word ("holds it: spam", or the opposite) is right in at most 70 % of the cases."""
    found = [words(case["input"]) for case in cases()]
    rules = {word: accuracy_of_rule([word in own for own in found]) for word in frozenset().union(*found)}
    word = max(rules, key=rules.get)
    assert rules[word] <= MAX_WORD_RULE, (word, rules[word])


@pytest.mark.parametrize(
    "mark",
    [r"https?://", r"!", r"\?", r"\d", r"%", r"\b[A-Z]{3,}\b"],
    ids=["link", "exclamation", "question", "digit", "percent", "capitals"],
)
def test_no_surface_mark_separates_the_classes(mark):
    """A rule of one mark, such as "has a link", is right in at most 70 % of the cases."""
    assert accuracy_of_rule([bool(re.search(mark, case["input"])) for case in cases()]) <= MAX_WORD_RULE


@pytest.mark.parametrize("length", [len, lambda text: len(text.split())], ids=["characters", "words"])
def test_length_does_not_give_the_label_away(length):
    """The best threshold on the length is right in at most 65 % of the cases."""
    lengths = [length(case["input"]) for case in cases()]
    best = max(accuracy_of_rule([own >= limit for own in lengths]) for limit in set(lengths))
    assert best <= MAX_LENGTH_RULE, best


def test_inputs_are_short():
    """Every input has 10 to 45 words."""
    lengths = {case["id"]: len(case["input"].split()) for case in cases()}
    assert not {key: n for key, n in lengths.items() if not MIN_WORDS <= n <= MAX_WORDS}


def test_hosts_are_reserved_names():
    """Every host in an input or a few-shot example is a reserved example name, and both labels have links."""
    texts = [case["input"] for case in cases()] + [example["input"] for example in spec()["prompt"]["examples"]]
    foreign = [host for text in texts for host in hosts(text) if not RESERVED_HOST.fullmatch(host)]
    assert not foreign
    linked = Counter(case["expected"] for case in cases() if hosts(case["input"]))
    assert min(linked[label] for label in LABELS) >= 5, linked


def test_no_telephone_numbers():
    """No input holds a run of seven or more digits, spaced or not, that could be somebody's telephone number."""
    for case in cases():
        plain = re.sub(r"\d{1,3}(?:,\d{3})+", "", case["input"])  # thousands: sums of money
        assert not re.search(r"\+?\d(?:[ -]?\d){6,}", plain), case["id"]


def test_no_input_names_its_label():
    """No input holds the word spam or ok, which would give the answer away."""
    for case in cases():
        assert not words(case["input"]) & {"spam", "ok", "okay", "phishing", "scam"}, case["id"]


def test_hard_cases_say_why():
    """Each hard case has a second tag that names what makes it hard, of its own label's kinds."""
    kinds = {"spam": {"personal-tone", "polite-scam"}, "ok": {"words-of-spam", "reminder-with-link"}}
    seen = {label: set() for label in LABELS}
    for case in cases():
        if case["tags"][0] == "hard":
            assert len(case["tags"]) == 2, case["id"]
            seen[case["expected"]].add(case["tags"][1])
    assert seen == kinds
