"""Measures what scorers make of the same replies: ours, Inspect's, lm-evaluation-harness's and Math-Verify's.

    python benchmarks/extraction.py [--quick] [--json] [--peers-python PYTHON]

The replies are those of `tests/data/extraction.jsonl`, each with what was expected and whether it is right, set by
hand: right replies written the many ways models write them, wrong ones that look right (negated, refused, a part of a
time or a range), and replies without an answer. A tool reads a row well when it passes exactly the right ones; a false
positive is a wrong reply that it passes, a false negative a right one that it does not.

Each peer gets the rows that it is made for: choices with letters, choices with words, numbers, exact and contained
texts. Most of them are meant for prompts that fix the form of the reply ("end with ANSWER: X"), and these replies keep
to none, so the figures say what each makes of free text, not how good it is where its form is kept. The replies were
written for this table, by the authors of the scorers that lead it. Those marked held out were written when the scorers
were done, in three lots, and each lot read once before anything was mended: `FIRST_READ` has what came out.

Peers live in an environment of their own, which `--peers-python` names (default: this one):

    python -m venv peers && peers/bin/pip install inspect-ai lm-eval math-verify

Those that are not installed are skipped with a word. `--quick` leaves out SQL and Python, which run in child processes.
Asserted: ours passes no wrong reply, and reads at least 98 % of each scorer's rows well.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "tests" / "data"
LEAST_RIGHT = 0.98
OURS = "routerctl"
# Of the held-out replies, lot by lot: how many there were, were read well, and were wrong ones that passed.
FIRST_READ = (
    {"replies": 188, "read_well": 164, "false_positives": 7},
    {"replies": 219, "read_well": 194, "false_positives": 14},
    {"replies": 198, "read_well": 177, "false_positives": 9},
)
Row = Mapping[str, Any]
Judge = Callable[[Sequence[Row]], list[bool]]


def main() -> int:
    """Measure, print, assert."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="without the scorers that run code")
    parser.add_argument("--peers-python", default=sys.executable, help="the interpreter that has the peers")
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)  # a process of its own: the peers' rows
    options = parser.parse_args()
    if options.rows:
        given = json.loads(options.rows.read_text(encoding="utf-8"))
        print(json.dumps({name: judged(name, rows) for name, rows in given.items()}))
        return 0
    began = time.perf_counter()
    rows = [row for row in rows_of(DATA / "extraction.jsonl") if not (options.quick and row["scorer"] in CHILDREN)]
    passed = [ours(row) for row in rows]
    found: dict[str, Any] = {"benchmark": "extraction", "quick": options.quick, "replies": len(rows)}
    found["tools"] = [counted(OURS, scorer, rows, passed) for scorer in sorted({row["scorer"] for row in rows})]
    found["tools"] += compared(rows, passed, options.peers_python)
    found["held_out_at_first"] = FIRST_READ
    found["seconds"] = round(time.perf_counter() - began, 1)
    print(json.dumps(found) if options.json else table_of(found))
    check(found["tools"])
    return 0


CHILDREN = ("python", "sql")


def rows_of(path: Path) -> list[Row]:
    """Read the table; the name of a setup script becomes its path."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        if "setup" in row.get("params", {}):
            row["params"]["setup"] = str(path.parent / row["params"]["setup"])
    return rows


def ours(row: Row) -> bool:
    """Tell whether the project's own scorer passes the reply."""
    from routerctl.scorers import score_reply
    from routerctl.types import ScorerSpec

    return (
        score_reply(ScorerSpec(name=row["scorer"], params=row.get("params", {})), row["reply"], row["expected"]).value
        == 1
    )


# --- counting ---------------------------------------------------------------------------------------------------------


def counted(tool: str, kind: str, rows: Sequence[Row], passed: Sequence[bool]) -> dict[str, Any]:
    """Count what a tool made of the rows of one scorer, or of all that it was given."""
    mine = [(row, made) for row, made in zip(rows, passed, strict=True) if kind in (row["scorer"], "all", kind_of(row))]
    wrong = [(row, made) for row, made in mine if made is not (row["verdict"] == "right")]
    return {
        "tool": tool,
        "rows": kind,
        "replies": len(mine),
        "read_well": round(1 - len(wrong) / len(mine), 4),
        "false_positives": sum(made for _, made in wrong),
        "false_negatives": sum(not made for _, made in wrong),
    }


def kind_of(row: Row) -> str:
    """Name what a peer must be made for."""
    if row["scorer"] != "choice":
        return str(row["scorer"])
    return "letters" if all(len(label) == 1 and label.isalpha() for label in row["params"]["choices"]) else "words"


def compared(rows: Sequence[Row], passed: Sequence[bool], python: str) -> list[dict[str, Any]]:
    """Run every peer on the rows that it is made for, ours beside it."""
    given = {
        name: [(row, made) for row, made in zip(rows, passed, strict=True) if kind_of(row) == kind and plain(row)]
        for name, (kind, _) in PEERS.items()
    }
    answers = asked({name: [row for row, _ in mine] for name, mine in given.items()}, python)
    found: list[dict[str, Any]] = []
    for name, mine in given.items():
        kind, made = PEERS[name][0], answers[name]
        if isinstance(made, str):
            found.append({"tool": name, "rows": kind, "skipped": made})
            continue
        line = counted(name, kind, [row for row, _ in mine], made)
        same = sum(one is other for one, (_, other) in zip(made, mine, strict=True))
        found.append({**line, "agrees": round(same / len(mine), 4)})
    return found


def plain(row: Row) -> bool:
    """Tell whether a row needs no parameter that peers do not have."""
    return not set(row.get("params", {})) - {"choices"}


def asked(given: Mapping[str, Sequence[Row]], python: str) -> dict[str, list[bool] | str]:
    """Let the peers judge their rows in a process of their own; a text says why one was skipped."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        path.write_text(json.dumps(given), encoding="utf-8")
        command = [python, str(Path(__file__).resolve()), "--rows", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return dict.fromkeys(given, (done.stderr.strip().splitlines() or ["no word"])[-1][:120])
    made: dict[str, list[bool] | str] = json.loads(done.stdout.splitlines()[-1])
    return made


def judged(name: str, rows: Sequence[Row]) -> list[bool] | str:
    """Let one peer judge its rows, or say what it lacks."""
    try:
        judge = PEERS[name][1]()
    except ImportError as missing:
        return str(missing)
    return judge(rows)


# --- the peers --------------------------------------------------------------------------------------------------------


def one_by_one(passes: Callable[[Row], bool]) -> Judge:
    """Judge row by row; a reply that a peer fails on is one that it does not pass."""

    def judge(rows: Sequence[Row]) -> list[bool]:
        made = []
        for row in rows:
            try:
                made.append(passes(row))
            except Exception:  # noqa: BLE001 - a peer's libraries raise whatever they like at odd replies
                made.append(False)
        return made

    return judge


def inspect(build: str, **options: Any) -> Callable[[], Judge]:
    """Make a judge of one of Inspect's scorers, as `score` of a finished sample calls it."""

    def made() -> Judge:
        import inspect_ai.scorer
        from inspect_ai.model import ModelOutput
        from inspect_ai.scorer import Target
        from inspect_ai.solver import TaskState

        scorer = getattr(inspect_ai.scorer, build)(**options)

        def passes(row: Row) -> bool:
            output = ModelOutput.from_content("m/m", row["reply"])
            choices = list(row.get("params", {}).get("choices", ()))
            given = {"model": "m/m", "sample_id": 1, "epoch": 1, "input": "?", "messages": []}
            state = TaskState(**given, output=output, choices=choices)
            if build == "choice":
                marked(state)
            return asyncio.run(scorer(state, Target(str(row["expected"])))).value in ("C", 1, 1.0, True)

        return one_by_one(passes)

    return made


def marked(state: Any) -> None:
    """Mark the choices as Inspect's multiple-choice solver does before its scorer reads them."""
    from inspect_ai.solver import _multiple_choice as multiple

    answers = multiple.parse_answers(state, multiple_correct=False)
    multiple.set_choices_based_on_generated_response(state, answers)


def harness(pattern: str, *, ignore: Sequence[str] = (), letters: bool = False, **options: Any) -> Callable[[], Judge]:
    """Make a judge of a filter and the metric of a task of lm-evaluation-harness, as its YAML file configures them."""

    def made() -> Judge:
        from lm_eval.api.metrics import exact_match_hf_evaluate
        from lm_eval.filters.extraction import MultiChoiceRegexFilter, RegexFilter

        flags: dict[str, Any] = {"ignore_case": True, "ignore_punctuation": True} if letters else {}
        reader = (MultiChoiceRegexFilter if letters else RegexFilter)(regex_pattern=pattern, **options, **flags)

        def judge(rows: Sequence[Row]) -> list[bool]:
            docs = [{"choices": [f"({label})" for label in row.get("params", {}).get("choices", ())]} for row in rows]
            found = reader.apply([[row["reply"]] for row in rows], docs)
            return [is_match(one[0], row["expected"]) for one, row in zip(found, rows, strict=True)]

        def is_match(found: str, expected: Any) -> bool:
            wanted = f"({expected})" if letters else str(expected)
            made = exact_match_hf_evaluate(
                [found], [wanted], regexes_to_ignore=list(ignore) or None, ignore_case=True, ignore_punctuation=letters
            )
            return bool(made["exact_match"] == 1)

        return judge

    return made


def math_verify() -> Judge:
    """Make a judge of Math-Verify, as its README calls it."""
    from math_verify import parse, verify

    return one_by_one(lambda row: bool(verify(parse(str(row["expected"])), parse(row["reply"]))))


GSM8K = (",", r"\$", "(?s).*#### ", r"\.$")
PEERS: Mapping[str, tuple[str, Callable[[], Judge]]] = {
    "Inspect choice": ("letters", inspect("choice")),
    "Inspect answer(letter)": ("letters", inspect("answer", pattern="letter")),
    "Inspect match(end), letters": ("letters", inspect("match")),
    "lm-eval gpqa strict-match": ("letters", harness("(?<=The answer is )(.*)(?=.)")),
    "lm-eval gpqa flexible-extract": ("letters", harness(r"(\([A-Z]\))", letters=True, group_select=-1)),
    "Inspect answer(word)": ("words", inspect("answer", pattern="word")),
    "Inspect match(any)": ("words", inspect("match", location="any")),
    "Inspect match(numeric)": ("number", inspect("match", numeric=True)),
    "Inspect answer(line)": ("number", inspect("answer", pattern="line")),
    "Inspect math": ("number", inspect("math")),
    "Math-Verify": ("number", math_verify),
    "lm-eval gsm8k strict-match": ("number", harness(r"The answer is (\-?[0-9\.\,]+).", ignore=GSM8K)),
    "lm-eval gsm8k flexible-extract": (
        "number",
        harness("(-?[$0-9.,]{2,})|(-?[0-9]+)", ignore=GSM8K, group_select=-1),
    ),
    "Inspect exact": ("exact", inspect("exact")),
    "Inspect includes": ("contains", inspect("includes")),
}


# --- the table --------------------------------------------------------------------------------------------------------


def table_of(found: Mapping[str, Any]) -> str:
    """The rows as text."""
    lines = [f"{'tool':32}{'rows':14}{'replies':>8}{'read well':>11}{'false +':>9}{'false -':>9}{'as ours':>9}"]
    for row in found["tools"]:
        if "skipped" in row:
            lines.append(f"{row['tool']:32}{row['rows']:14} skipped: {row['skipped']}")
            continue
        agrees = f"{row['agrees']:9.1%}" if "agrees" in row else ""
        lines.append(
            f"{row['tool']:32}{row['rows']:14}{row['replies']:8}{row['read_well']:11.1%}"
            f"{row['false_positives']:9}{row['false_negatives']:9}{agrees}"
        )
    lots = ", ".join(
        f"{lot['read_well']}/{lot['replies']} ({lot['false_positives']} false +)" for lot in found["held_out_at_first"]
    )
    lines.append(f"held-out replies read well before anything was mended: {lots}")
    return "\n".join([*lines, f"{found['replies']} replies, {found['seconds']:.1f} s"])


def check(rows: Sequence[Mapping[str, Any]]) -> None:
    """Assert that ours passes no wrong reply and reads nearly all rows well."""
    for row in rows:
        if row["tool"] == OURS:
            assert row["false_positives"] == 0, row
            assert row["read_well"] >= LEAST_RIGHT, row


if __name__ == "__main__":
    sys.exit(main())
