"""What `routerctl route` does once its options are read."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from routerctl.codec import decode, encode, json_default
from routerctl.console import clean, say
from routerctl.errors import InputError
from routerctl.router import decide, explain, input_text
from routerctl.strict_yaml import parse_json_lines
from routerctl.table import load_table
from routerctl.types import Decision, Json, Table

if TYPE_CHECKING:
    from routerctl.router import Routed

_STDIN = "stdin"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptLine:
    """One prompt to route; the schema of a line of --jsonl."""

    prompt: Json
    task_class: str | None = None
    tenant: str | None = None
    id: str | None = None


def read_prompts(*, lines: bool, jsonl: bool, task_class: str | None) -> Iterator[PromptLine]:
    """Read the prompts of stdin: all of it as one, or line by line as they come.

    Raises: InputError, while it reads, for what is not UTF-8 or not a prompt, naming the line.
    """
    if lines and jsonl:
        raise InputError("--lines and --jsonl exclude each other")
    return _prompts(lines=lines, jsonl=jsonl, task_class=task_class)


def _prompts(*, lines: bool, jsonl: bool, task_class: str | None) -> Iterator[PromptLine]:
    if not (lines or jsonl):
        text = _text(b"".join(_stdin()), None)
        if not text.strip():
            raise InputError("expected a prompt, got nothing", file=_STDIN)
        yield PromptLine(prompt=text.removesuffix("\n"), task_class=task_class)
        return
    for number, raw in enumerate(_lines(_stdin()), 1):
        text = _text(raw, number).rstrip("\r")
        if not text.strip():
            continue
        yield _json_prompt(text, number, task_class) if jsonl else PromptLine(prompt=text, task_class=task_class)


def _stdin() -> Iterator[bytes]:
    """Read what is there as soon as it is there.

    Without Python's buffer: a thread that waits in it holds its lock, and the interpreter could not end.
    """
    if sys.stdin is None:  # started with `<&-`
        raise InputError("is closed; expected a prompt", file=_STDIN)
    file = sys.stdin.fileno()
    while chunk := os.read(file, 65536):
        yield chunk


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    started: list[bytes] = []
    for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for line in ended:
            yield b"".join(started) + line
            started = []
        started.append(rest)
    if any(started):
        yield b"".join(started)


def _text(raw: bytes, line: int | None) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 (byte 0x{error.object[error.start]:02x} at offset {error.start})"
        raise InputError(problem, file=_STDIN, line=line) from None


def _json_prompt(text: str, number: int, task_class: str | None) -> PromptLine:
    (row,) = parse_json_lines(text, _STDIN)
    document = type(row)(file=_STDIN, value=row.value, lines={(): number})
    given = decode(PromptLine, document)
    if not isinstance(given.prompt, str | dict) or not given.prompt:
        raise document.error(("prompt",), "expected a text or an object with the template's fields")
    try:
        input_text(given.prompt).encode()
    except UnicodeEncodeError:
        raise document.error(("prompt",), "holds half of a surrogate pair, which is no text") from None
    return PromptLine(prompt=given.prompt, task_class=task_class or given.task_class, tenant=given.tenant, id=given.id)


def explain_prompts(path: Path, prompts: Iterator[PromptLine], *, as_json: bool) -> None:
    """Print what would be decided for each prompt and why."""
    table = load_table(path)
    for one in prompts:
        decision = decide(table, one.prompt, one.task_class)
        reasons = explain(table, one.prompt, decision)
        if as_json:
            _print(json.dumps({**_decision_json(one, decision), "reasons": reasons}))
        else:
            _print("\n".join(clean(line) for line in reasons))


def route_prompts(path: Path, prompts: Iterator[PromptLine], *, as_json: bool, one_line: bool) -> None:
    """Route each prompt and print its answer as soon as those before it are printed.

    Raises: InputError; EveryRungFailed after the last prompt, where one or more could not be served.
    """
    from routerctl.cli.serving import serve
    from routerctl.decisions import DECISIONS_FILE

    table = load_table(path)

    def show(one: PromptLine, routed: Routed) -> None:
        say(_reason(table, routed))
        if as_json:
            _print(json.dumps(_routed_json(one, routed), default=json_default))
        else:
            _print(_for_stdout(routed.answer.text, one_line=one_line))

    serve(table, prompts, show, log_path=path.resolve().parent / DECISIONS_FILE)


def _for_stdout(text: str, *, one_line: bool) -> str:
    """Give the answer as it is; on a terminal without escape sequences, in line modes as one line."""
    if one_line:
        text = " ".join(text.split())
    if sys.stdout.isatty():
        text = "\n".join(clean(line) for line in text.split("\n"))
    return text


def _print(text: str) -> None:
    """Write UTF-8, whatever the locale says; half of a surrogate pair, which a reply may hold, becomes a `?`."""
    sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")
    sys.stdout.flush()  # a closed pipe must stop the next prompt, not only the last


def _reason(table: Table, routed: Routed) -> str:
    decision = routed.decision
    served = decision.hops[-1]
    failed = "".join(f", after {hop.candidate} failed ({hop.outcome})" for hop in decision.hops[:-1])
    unproven = "" if table.routes[decision.task_class].passing else ", not proven for this class"
    latency = "" if served.latency_s is None else f", {served.latency_s:.2f} s"
    cost = sum((hop.cost_usd for hop in decision.hops), start=served.cost_usd * 0)
    alarm = "".join(f" ALARM: {words}" for words in routed.alarms)
    return (
        f"{decision.task_class} (by {decision.decided_by}) -> {served.candidate}{failed}{unproven}"
        f"{latency}, ${cost:.6f}.{alarm}"
    )


def _decision_json(one: PromptLine, decision: Decision) -> dict[str, Json]:
    given = {key: value for key, value in (("id", one.id), ("tenant", one.tenant)) if value is not None}
    return {**given, **encode(decision, keep_defaults=True)}


def _routed_json(one: PromptLine, routed: Routed) -> dict[str, Json]:
    answer = routed.answer
    return {
        **_decision_json(one, routed.decision),
        "answer": answer.text,
        "stop_reason": answer.stop_reason.value,
        "candidate": routed.decision.hops[-1].candidate,
        "cost_usd": sum((hop.cost_usd for hop in routed.decision.hops), start=answer.cost_usd * 0),
        "latency_s": answer.latency_s,
        "alarms": list(routed.alarms),
    }
