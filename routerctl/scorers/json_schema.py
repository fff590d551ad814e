"""A reply with JSON -> whether it satisfies a JSON Schema (and equals what was expected, where that is given).

References to other documents are not fetched.
"""

from __future__ import annotations

import json
from decimal import Decimal

from routerctl.scorers.base import Params, Scorer, Unscorable, only, shown
from routerctl.scorers.json_fields import same
from routerctl.scorers.json_reply import canonical, read_json
from routerctl.scorers.sandbox.run import Limits, run_limited
from routerctl.scorers.sandbox.schema import problem_with_schema
from routerctl.scorers.sandbox.schema import run as validate
from routerctl.types import Json

_LIMITS = Limits(cpu_s=5, wall_s=30, memory_mb=512)
# Keywords whose check may take for ever on a hostile reply: those schemas are checked in a limited child (0.2 s).
_SLOW = frozenset({"pattern", "patternProperties", "uniqueItems"})


def _extract(text: str, _: Params) -> str | None:
    found = read_json(text, kinds=(dict, list))
    return None if found is None else canonical(found)


def _check(params: Params, _: Json) -> None:
    only(params, "schema")
    if not isinstance(params.get("schema"), dict):
        raise ValueError("schema: expected a JSON Schema as a mapping")  # noqa: TRY004 - what `check` promises
    if problem := problem_with_schema(plain(params["schema"])):
        raise ValueError(f"schema: {problem}")


def _score(extracted: str, expected: Json, params: Params) -> tuple[float, str]:
    reply = json.loads(extracted)
    if problem := _problem({"schema": plain(params["schema"]), "reply": reply}):
        return 0.0, problem
    if expected is not None and not same(reply, expected):
        return 0.0, f"valid, but not {shown(canonical(plain(expected)))}"
    return 1.0, "valid"


def _problem(job: dict[str, Json]) -> str | None:
    if not _mentions_slow(job["schema"]):
        return validate(job)["problem"]
    ended = run_limited("schema", job, _LIMITS, packages=True)
    if ended.verdict is None:
        raise Unscorable(f"json_schema: the check did not finish on this reply: {ended.why}")
    problem: str | None = ended.verdict["problem"]
    return problem


def _mentions_slow(schema: Json) -> bool:
    if isinstance(schema, dict):
        return not _SLOW.isdisjoint(schema) or any(_mentions_slow(part) for part in schema.values())
    return isinstance(schema, list | tuple) and any(_mentions_slow(part) for part in schema)


def plain(value: Json) -> Json:
    """Turn exact decimals and tuples, which the project's files are read into, into what json.loads gives."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


JSON_SCHEMA = Scorer(name="json_schema", extract=_extract, score=_score, check=_check)
