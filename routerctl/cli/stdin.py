"""stdin -> lines: all of it as one prompt, or each line with its number and its prompt, or why it is none."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace

from routerctl.errors import InputError, RouterctlError
from routerctl.files.codec import decode
from routerctl.files.document import Document
from routerctl.files.yaml import parse_json_lines
from routerctl.routing.lines import Line
from routerctl.routing.router import is_deep, prompt_problem
from routerctl.types import Inquiry, Json

_STDIN = "stdin"
_ID_CHARS = 60  # of an id in a message


def read_lines(given: Inquiry, *, lines: bool, jsonl: bool) -> Iterator[Line]:
    """Read the prompts of stdin: all of it as one, or line by line as they come, blank ones and broken ones included.

    `given`: what the command line says of each that does not say it itself, its prompt aside; a class given there wins.
    Raises: InputError, while it reads, where there is no input or the only prompt is none.
    """
    if not (lines or jsonl):
        text = _text(b"".join(_stdin()), None)
        if not text.strip():
            raise InputError("expected a prompt, got nothing", file=_STDIN)
        yield Line(number=None, inquiry=replace(given, prompt=text.removesuffix("\n")))
        return
    for number, raw in enumerate(_lines(_stdin()), 1):
        try:
            text = _text(raw, number).rstrip("\r")
            if not text.strip():
                yield Line(number=number)
            elif jsonl:
                yield _of_json(text, number, given)
            else:
                yield Line(number=number, inquiry=replace(given, prompt=text))
        except InputError as error:
            yield Line(number=number, problem=error)


def placed(line: Line, error: RouterctlError) -> str:
    """Say an error of one prompt of several with its line and its id; of the only one, as it is."""
    if line.number is None or error is line.problem:  # which names its line
        return str(error)
    named = f"{line.id[:_ID_CHARS]}: " if line.id else ""
    return f"{_STDIN}:{line.number}: {named}{error}"


def read_features(given: Iterable[str]) -> dict[str, Json]:
    """Read NAME=VALUE; a value that is JSON (a number, true) is taken as such, anything else as text.

    Raises: InputError.
    """
    features: dict[str, Json] = {}
    for pair in given:
        name, equals, text = pair.partition("=")
        if not (name and equals):
            raise InputError(f"--feature: expected NAME=VALUE, got {pair!r}")
        try:
            features[name] = json.loads(text)
        except ValueError:
            features[name] = text
        except RecursionError:
            raise InputError(f"--feature {name}: nested too deeply") from None
        if is_deep(features[name]):
            raise InputError(f"--feature {name}: nested too deeply")
    return features


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
        text = raw.decode("utf-8")
        return text.removeprefix("\ufeff") if line in (None, 1) else text  # what some editors begin a file with
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 (byte 0x{error.object[error.start]:02x} at offset {error.start})"
        raise InputError(problem, file=_STDIN, line=line) from None


def _of_json(text: str, number: int, plain: Inquiry) -> Line:
    """Read one line of JSON; of one that is no prompt the id is kept, where it has one.

    Raises: InputError for what is no JSON.
    """
    try:
        (row,) = parse_json_lines(text, _STDIN)
    except InputError as error:  # the line is the first of what it was given
        raise InputError(error.problem, file=_STDIN, line=number) from None
    named = row.value.get("id") if isinstance(row.value, dict) else None
    inquiry_id = named if isinstance(named, str) else None
    try:
        inquiry = _inquiry(replace(row, lines={(): number}), plain)
    except InputError as error:
        return Line(number=number, problem=error, id=inquiry_id)
    return Line(number=number, inquiry=inquiry, id=inquiry_id)


def _inquiry(document: Document, plain: Inquiry) -> Inquiry:
    if is_deep(document.value):
        raise document.error((), "nested too deeply")
    given = decode(Inquiry, document)
    if problem := prompt_problem(given.prompt):
        raise document.error(("prompt",), problem)
    return replace(
        given,
        task_class=plain.task_class or given.task_class,
        tenant=given.tenant or plain.tenant,
        user=given.user or plain.user,
        step=given.step or plain.step,
        features={**plain.features, **given.features},
    )
