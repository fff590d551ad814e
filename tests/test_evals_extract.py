"""Checks on the content of the `extract` eval set: schema, dates, every expected value stands in its message."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import yaml

EVALS = Path(__file__).resolve().parent.parent / "examples/harder/evals"
SPEC = yaml.safe_load((EVALS / "extract.yaml").read_text(encoding="utf-8"))
CASES = [json.loads(line) for line in (EVALS / SPEC["cases"]).read_text(encoding="utf-8").splitlines() if line.strip()]
FIELDS = {"name", "date", "amount"}
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

# 1,234.50 / 1.234,50 / 1 234,50 / 1234.5 / 79: digits, optionally in groups of three, optionally with decimals.
NUMBER = re.compile(r"(?<![\d.,])(?:\d{1,3}(?:[., ]\d{3})+|\d+)(?:[.,]\d{1,2})?(?![\d]|[.,]\d)")


def readings(text: str) -> set[float]:
    """Every value that a number written in the text can stand for, whatever the thousands and decimal marks."""
    found: set[float] = set()
    for token in NUMBER.findall(text):
        parts = re.split(r"[., ]", token)
        found.add(float("".join(parts)) if all(len(p) == 3 for p in parts[1:]) else 0.0)
        if len(parts) > 1 and len(parts[-1]) <= 2 and all(len(p) == 3 for p in parts[1:-1]):
            found.add(float("".join(parts[:-1]) + "." + parts[-1]))
        # "parts 54 119" may be two numbers: take the pieces between spaces as well.
        for piece in token.split(" "):
            if re.fullmatch(r"\d+(?:[.,]\d{1,2})?", piece):
                found.add(float(piece.replace(",", ".")))
    return found


def dates(text: str) -> set[str]:
    """Every full date written in the text, as yyyy-mm-dd (day before month where only digits are given)."""
    found: set[tuple[int, int, int]] = set()
    month = rf"({'|'.join(MONTHS)})[a-z]*\.?"
    low = text.lower()
    for y, m, d in re.findall(r"\b(\d{4})-(\d{2})-(\d{2})\b", low):
        found.add((int(y), int(m), int(d)))
    for d, m, y in re.findall(r"\b(\d{1,2})[./-](\d{1,2})[./-](\d{4})\b", low):
        found.add((int(y), int(m), int(d)))
    for d, m, y in re.findall(r"\b(\d{1,2})(?:st|nd|rd|th)?(?: of)?[ /]" + month + r"[ /](\d{4})\b", low):
        found.add((int(y), MONTHS.index(m) + 1, int(d)))
    for m, d, y in re.findall(r"\b" + month + r" (\d{1,2})(?:st|nd|rd|th)?, (\d{4})\b", low):
        found.add((int(y), MONTHS.index(m) + 1, int(d)))
    return {date(*parts).isoformat() for parts in found}


def check_schema(value: object, schema: dict[str, Any]) -> list[str]:
    """What is wrong with a value by its schema, dates included."""
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    return [error.message for error in validator.iter_errors(value)]


def test_number_reader_reads_the_usual_formats() -> None:
    """The tolerant number check reads every format it claims to, and does not accept a neighbouring value."""
    for text, value in [
        ("EUR 1.249,00.", 1249), ("$1,249.00", 1249), ("NOK 5 499 in total", 5499), ("1 249,50 kr", 1249.5),
        ("2,350,000 VND", 2350000), ("36,50", 36.5), ("7.5", 7.5), ("£58.40.", 58.4), ("R1 160", 1160), ("R85", 85),
    ]:  # fmt: skip
        assert float(value) in readings(text), text
    assert 124900.0 not in readings("$1,249.0")
    assert 1249.0 not in readings("$1,248.00")
    assert 40.0 not in readings("140")


def test_date_reader_reads_the_usual_formats() -> None:
    """The tolerant date check reads every format it claims to."""
    for text in ["2026-05-06", "06.05.2026", "6/5/2026", "06-05-2026", "6 May 2026", "6th of May 2026", "May 6th, 2026",
                 "May 6, 2026", "06/May/2026"]:  # fmt: skip
        assert dates(f"on {text}.") == {"2026-05-06"}, text


def test_spec_asks_for_exactly_the_three_fields() -> None:
    """The schema, the scorer and the instruction all speak of the same three fields."""
    schema = SPEC["reply"]["json_schema"]
    assert set(schema["properties"]) == set(schema["required"]) == FIELDS
    assert SPEC["scorer"] == {
        "name": "json_fields",
        "fields": {"name": "exact", "date": "exact", "amount": {"number": 0.005}},
    }
    assert all(re.search(rf"\b{field}\b", SPEC["prompt"]["system"]) for field in FIELDS)


def test_expected_conforms_to_the_schema() -> None:
    """Every expected JSON, and the reply of every example, conforms to the schema of the reply."""
    schema = SPEC["reply"]["json_schema"]
    bad = {c["id"]: check_schema(c["expected"], schema) for c in CASES}
    for example in SPEC["prompt"]["examples"]:
        bad[example["input"]] = check_schema(json.loads(example["reply"]), schema)
    assert not {k: v for k, v in bad.items() if v}


def test_expected_values_stand_in_the_message() -> None:
    """Every expected name occurs literally in its input, and every expected date and amount in some common notation."""
    pairs = [(c["id"], c["input"], c["expected"]) for c in CASES]
    pairs += [("example", e["input"], json.loads(e["reply"])) for e in SPEC["prompt"]["examples"]]
    for where, text, want in pairs:
        assert want["name"] in text, (where, want["name"])
        assert want["date"] in dates(text), (where, want["date"], dates(text))
        assert any(abs(want["amount"] - value) < 0.005 for value in readings(text)), (where, want["amount"])


def test_digit_only_dates_cannot_be_misread() -> None:
    """A digits-only date has a day above 12, or day and month equal, or a mark that fixes the order."""
    for case in CASES:
        for d, m, _ in re.findall(r"\b(\d{1,2})([./-]\d{1,2}[./-])(\d{4})\b", case["input"]):
            day, month, mark = int(d), int(m[1:-1]), m[0]
            # dd.mm.yyyy with dots is always day first; with slashes or dashes the message has to say so.
            assert mark == "." or day > 12 or day == month or "day/month/year" in case["input"], case["input"]


def test_names_are_bare() -> None:
    """No expected name carries a title or outer blanks, and no name is the answer twice."""
    names = [c["expected"]["name"] for c in CASES]
    assert not [n for n in names if n != n.strip() or re.match(r"(?i)(mr|mrs|ms|miss|dr|prof|professor|captain)\b", n)]
    assert len(set(names)) == len(names)


def test_hard_cases_hold_rivals() -> None:
    """Every hard case holds at least two full dates or three numbers, so that the rule in the instruction decides."""
    for case in (c for c in CASES if c["tags"][0] == "hard"):
        assert len(dates(case["input"])) >= 2 or len(readings(case["input"])) >= 6, case["id"]


def test_easy_cases_hold_one_date() -> None:
    """Every easy case holds one full date only, so that no rule is needed to choose it."""
    assert not [c["id"] for c in CASES if c["tags"][0] == "easy" and len(dates(c["input"])) != 1]
