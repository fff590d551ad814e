"""Checks on the eval set `arithmetic`: a worked solution of every case gives its answer, with numbers from its text."""

from __future__ import annotations

import ast
import json
import operator
import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

TESTS = Path(__file__).resolve().parent
EVALS = TESTS.parent / "examples/harder/evals"
SOLUTIONS = TESTS / "data" / "arithmetic_solutions.jsonl"
MIN_WORDS, MAX_WORDS = 10, 45
MAX_EXAMPLE_WORDS = 90  # about 220 tokens with the sums

OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
MAX_EXPONENT = 10

# What a reader knows without being told: a whole, months in a year, minutes in an hour, hundredths.
UNIT_CONSTANTS = {1, 12, 60, 100}
WORDS = {
    "one": 1,
    "two": 2,
    "twice": 2,
    "half": 2,
    "three": 3,
    "third": 3,
    "thirds": 3,
    "four": 4,
    "fourth": 4,
    "quarter": 4,
    "quarters": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "seventh": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
    "dozen": 12,
    "thirteen": 13,
    "fourteen": 14,
    "fifteen": 15,
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file with one JSON object a line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


@cache
def spec() -> dict[str, Any]:
    """The eval set."""
    read: dict[str, Any] = yaml.safe_load((EVALS / "arithmetic.yaml").read_text(encoding="utf-8"))
    return read


@cache
def cases() -> list[dict[str, Any]]:
    """The cases of the eval set."""
    return read_lines(EVALS / spec()["cases"])


@cache
def solutions() -> dict[str, str]:
    """The expression that solves each case, by id."""
    return {line["id"]: line["python"] for line in read_lines(SOLUTIONS)}


def calculate(expression: str) -> float:
    """The value of an expression of numbers, + - * / // % ** and round(); ValueError for anything else."""
    return _value(ast.parse(expression, mode="eval").body)


def _value(node: ast.AST) -> float:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            a, b = _value(left), _value(right)
            if isinstance(op, ast.Pow) and abs(b) > MAX_EXPONENT:
                raise ValueError(f"exponent {b} is too large")
            return OPERATORS[type(op)](a, b)
        case ast.Call(func=ast.Name(id="round"), args=[number], keywords=[]):
            return round(_value(number))
        case ast.Call(func=ast.Name(id="round"), args=[number, ast.Constant(value=int() as digits)], keywords=[]):
            return round(_value(number), digits)
    raise ValueError(f"not arithmetic: {ast.unparse(node)}")


def numbers_of_expression(expression: str) -> set[float]:
    """The numbers an expression uses."""
    constants = (node.value for node in ast.walk(ast.parse(expression, mode="eval")) if isinstance(node, ast.Constant))
    return {value for value in constants if isinstance(value, int | float)}


def numbers_of_text(text: str) -> set[float]:
    """The numbers a text states, as digits (1,200 is 1200) or as words."""
    digits = re.findall(r"\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?", text)
    words = re.findall(r"[a-z]+", text.lower())
    return {float(number.replace(",", "")) for number in digits} | {WORDS[word] for word in words if word in WORDS}


def test_every_case_has_one_solution() -> None:
    """The solutions are for exactly the cases of the eval set, each one once."""
    ids = [line["id"] for line in read_lines(SOLUTIONS)]
    assert sorted(ids) == sorted(case["id"] for case in cases())


def test_solutions_give_the_expected_answers() -> None:
    """The worked solution of each case comes out at its expected answer."""
    wrong = {}
    for case in cases():
        value = calculate(solutions()[case["id"]])
        if value != pytest.approx(case["expected"], rel=0, abs=1e-9):
            wrong[case["id"]] = (value, case["expected"])
    assert not wrong


def test_solutions_use_the_numbers_of_the_text() -> None:
    """Each number in a solution stands in the text of its case, but for a few unit constants."""
    foreign = {}
    for case in cases():
        used = numbers_of_expression(solutions()[case["id"]])
        if rest := used - numbers_of_text(case["input"]) - UNIT_CONSTANTS:
            foreign[case["id"]] = rest
    assert not foreign


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2+3*4", 14),
        ("-(7-9)/4", 0.5),
        ("17//5*10+17%5", 32),
        ("2**10", 1024),
        ("round(2/3, 2)", 0.67),
        ("round(7/4)", 2),
    ],
)
def test_arithmetic_is_calculated(expression: str, value: float) -> None:
    """Each permitted operation gives its value."""
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression", ["__import__('os')", "abs(1)", "9**9**9", "True", "'a'*2", "(1).real", "round()", "1 < 2", "~1"]
)
def test_only_arithmetic_is_calculated(expression: str) -> None:
    """An expression that is anything but arithmetic is refused."""
    with pytest.raises(ValueError, match=r"not arithmetic|too large"):
        calculate(expression)


def test_expected_answers_are_short_numbers() -> None:
    """Each expected answer is a number above zero with at most two decimal places."""
    for case in cases():
        expected = case["expected"]
        assert isinstance(expected, (int, float)), case["id"]
        assert not isinstance(expected, bool), case["id"]
        assert expected > 0, case["id"]
        assert round(expected, 2) == expected, case["id"]


def test_answers_cannot_be_guessed() -> None:
    """No answer is right in more than 5 % of the cases, and a text rarely states its own answer."""
    answers = Counter(case["expected"] for case in cases())
    answer, count = answers.most_common(1)[0]
    assert count / len(cases()) <= 0.05, (answer, count)
    stated = [case["id"] for case in cases() if case["expected"] in numbers_of_text(case["input"])]
    assert len(stated) / len(cases()) <= 0.05, stated


def test_inputs_are_short() -> None:
    """Every input has 10 to 45 words."""
    lengths = {case["id"]: len(case["input"].split()) for case in cases()}
    assert not {key: n for key, n in lengths.items() if not MIN_WORDS <= n <= MAX_WORDS}


def test_every_input_asks_one_question() -> None:
    """Every input has exactly one question mark, so that one number answers it."""
    assert not [case["id"] for case in cases() if case["input"].count("?") != 1]


def test_difficulties_are_mixed() -> None:
    """No difficulty has more than six cases in a row, and every case has one topic tag."""
    letters = "".join(case["tags"][0][0] for case in cases())
    assert not re.search(r"(.)\1{6}", letters), letters
    assert not [case["id"] for case in cases() if len(case["tags"]) != 2]


def test_examples_are_worked_rightly() -> None:
    """In each example every sum is right and the last result is the answer, and together they are short."""
    examples = spec()["prompt"]["examples"]
    for example in examples:
        reply = re.fullmatch(r"(.+)\. Answer: ([\d.]+)", example["reply"])
        assert reply is not None
        working, answer = reply.groups()
        sums = [step.split("=") for step in working.split(", ")]
        for expression, result in sums:
            assert calculate(expression) == pytest.approx(float(result)), example
        assert float(sums[-1][1]) == float(answer), example
        assert numbers_of_expression(sums[0][0]) - UNIT_CONSTANTS <= numbers_of_text(example["input"]), example
    assert sum(len(f"{example['input']} {example['reply']}".split()) for example in examples) <= MAX_EXAMPLE_WORDS
