"""routes.yaml <-> `Table`: the lock file for model choice.

The bytes follow from the content alone. The digest stands over everything else in the file, so an edit by hand or a
damaged file is seen. `evaluation` writes it, `routing` serves by it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from routerctl.errors import InputError, MergeConflict
from routerctl.files.codec import decode, encode, json_text
from routerctl.files.document import Document, PathParts, check_schema_version
from routerctl.files.yaml import conflict_of, dump_yaml, parse_yaml, read_text
from routerctl.types import Table

TABLE_FILE = "routes.yaml"
SCHEMA_VERSION = 2  # 1 said `passing` where 2 says `level`
_VERSION = re.compile(r"^table_version: ([0-9]{1,9})\r?$", re.MULTILINE)
_FIRST_LINES = """\
# Made by `routerctl build-table`. Review it like code; do not edit it: `routerctl check` compares it with its evidence.
"""


def table_text(table: Table) -> str:
    """Turn a table into the bytes of routes.yaml."""
    return _FIRST_LINES + dump_yaml({"schema_version": SCHEMA_VERSION, **encode(table)})


def with_digest(table: Table) -> Table:
    """Give the table with its digest."""
    return replace(table, digest=_digest(encode(table)))


def _digest(content: dict[str, Any]) -> str:
    """Digest all but the digest itself; keys keep their order, which a model sees (a JSON schema's, an example's)."""
    rest = {key: value for key, value in content.items() if key != "digest"}
    return "sha256:" + hashlib.sha256(json_text(rest).encode()).hexdigest()


def same_content(one: Table, other: Table) -> bool:
    """Tell whether two tables differ in nothing but version and digest."""
    return with_digest(replace(one, table_version=0)).digest == with_digest(replace(other, table_version=0)).digest


def load_table(path: Path, *, verify: bool = True) -> Table:
    """Read routes.yaml; `verify` compares the digest, and sees that who is named is there.

    Raises: InputError where it is missing, corrupt, edited by hand or of another schema.
    """
    shown = path.name
    if not path.exists():
        raise InputError("no such file here; `routerctl build-table` writes it", file=shown)
    return parse_table(read_text(path, shown), shown, verify=verify)


def parse_table(text: str, shown: str, *, verify: bool = True) -> Table:
    """Read a table from the text of a file that errors call `shown`.

    Raises: InputError as `load_table` does.
    """
    try:
        document = parse_yaml(text, shown)
    except MergeConflict as error:
        problem = f"{error.problem.split(':')[0]}; run `routerctl build-table` to rebuild it from its evidence"
        raise MergeConflict(problem, file=shown, line=error.line) from None
    if _is_older(document.value):
        raise InputError(
            "written by an older routerctl; run `routerctl build-table`",
            file=shown,
            line=document.line(("schema_version",)),
        )
    document = document.noting()
    check_schema_version(document, SCHEMA_VERSION)
    document.value.pop("schema_version", None)
    table = decode(Table, document)
    if verify:
        _check_names(table, document)
        _check_days(table, document)
    document.raise_noted()
    if verify and _digest(encode(table)) != table.digest:
        raise InputError(
            "the content does not match the digest: edited by hand, merged or damaged; run "
            "`routerctl build-table` to rebuild it",
            file=shown,
            line=document.line(("digest",)),
        )
    return table


def _check_names(table: Table, document: Document) -> None:
    """See that who is named is there, so that whoever looks a candidate or a provider up finds it."""

    def require(name: str, known: Collection[str], kind: str, *path: str | int) -> None:
        if name not in known:
            document.note(path, f"no {kind} {name!r} in this table")

    for name, one in table.candidates.items():
        path = ("candidates", name)
        require(one.provider, table.providers, "provider", *path, "provider")
        if one.escalation:
            require(one.escalation.to, table.candidates, "candidate", *path, "escalation", "to")
        for number, place in enumerate(one.also):
            require(place.provider, table.providers, "provider", *path, "also", number, "provider")
            require(f"{name}@{place.provider}", table.prices, "price of", *path, "also", number)
    for name, route in table.routes.items():
        for number, rung in enumerate(route.rungs):
            require(rung, table.candidates, "candidate", "routes", name, "rungs", number)
        require(route.chosen, table.candidates, "candidate", "routes", name, "chosen")


def _check_days(table: Table, document: Document) -> None:
    """See that days are some."""
    days: list[tuple[PathParts, str]] = [(("prices", key, "date"), one.date) for key, one in table.prices.items()]
    days += [(("retirements", model), day) for model, day in table.retirements.items()]
    for path, day in days:
        try:
            date.fromisoformat(day)
        except ValueError:
            document.note(path, f"expected a day like 2026-11-23, got {day!r}")


def version_to_follow(path: Path) -> int | None:
    """Give the `table_version` of a file that can only be made anew; None where there is none such.

    It may be of an older routerctl, or hold both sides of a merge: then the greater version counts.
    Raises: InputError where it is not YAML.
    """
    if not path.exists():
        return None
    text = read_text(path, path.name)
    if conflict_of(text, path.name):
        return max((int(number) for number in _VERSION.findall(text)), default=0)
    value: Any = parse_yaml(text, path.name).value
    if not _is_older(value):
        return None
    version = value.get("table_version")
    return version if isinstance(version, int) else 0


def _is_older(value: Any) -> bool:
    version = value.get("schema_version") if isinstance(value, dict) else None
    return isinstance(version, int) and version < SCHEMA_VERSION
