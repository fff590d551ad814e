"""Seeded damage to files of every format -> how `import` ends on each, counted by kind.

`python -m tests.importers_fuzz --count 3000 --seed 1` prints the count; `tests/test_importers_fuzz.py` asserts on it.
Every input goes through what the command calls, writing included; where it is accepted, its books have to add up.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import gzip
import io
import json
import os
import random
import re
import shutil
import sys
import tempfile
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from routerctl.cli.output.imported import ImportOptions, import_files
from routerctl.errors import InputError
from routerctl.evaluation.importers.base import Columns

MADE = Path(__file__).parent / "fixtures" / "import"
LONG = [
    {
        "task": "t",
        "id": f"c{case}",
        "model": model,
        "score": (case + len(model)) % 3 and 1,
        "cost_usd": 0.5,
        "prompt": "p",
    }
    for case in range(6)
    for model in ("small", "large")
]
WIDE = [{"id": f"c{case}", "question": "q", "small": case % 2, "large": 1, "topic": "x"} for case in range(8)]


# --- seeds ------------------------------------------------------------------------------------------------------------


def _csv(rows: list[dict[str, Any]]) -> bytes:
    return "\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]).encode()


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow  # type: ignore[import-untyped]  # ships no type information
    from pyarrow import parquet

    out = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), out)
    return out.getvalue()


def _made(name: str) -> bytes:
    content = (MADE / name).read_bytes()
    return gzip.decompress(content) if name.endswith(".gz") else content


def _members(content: bytes) -> dict[str, Any]:
    with_zstd: Any = zipfile
    if sys.version_info < (3, 14):
        from backports.zstd import zipfile as with_zstd
    with with_zstd.ZipFile(io.BytesIO(content)) as archive:
        return {name: json.loads(archive.read(name)) for name in archive.namelist()}


def _zip(members: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, value in members.items():
            archive.writestr(name, value if isinstance(value, bytes) else json.dumps(value))
    return out.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A valid file: its name, its content, and what importing it gives."""

    name: str
    kind: str  # a key of DAMAGE: what the content is damaged as
    content: bytes
    replies: int
    passed: int


def seeds() -> list[Seed]:
    """Make a file of each format, in each of its shapes."""
    (samples,) = (MADE / "lm-eval/small").glob("samples*")
    rows = [
        ("log.eval", "zip", _zip(_members(_made("inspect/addition_mini.eval"))), 16, 6),
        ("zstd.eval", "bytes", _made("inspect/addition_mini.eval"), 16, 6),
        ("log.json", "json", _made("inspect/second.json.gz"), 3, 2),
        ("results.json", "json", _made("promptfoo/results.json.gz"), 32, 21),
        ("results.jsonl", "lines", _made("promptfoo/results.jsonl.gz"), 32, 21),
        (samples.name, "lines", samples.read_bytes(), 9, 5),
        ("evals.jsonl", "lines", _made("openai-evals/large.jsonl"), 8, 7),
        ("long.csv", "csv", _csv(LONG), 12, 8),
        ("long.jsonl", "lines", _lines(LONG), 12, 8),
        ("long.parquet", "parquet", _parquet(LONG), 12, 8),
        ("wide.csv", "csv", _csv(WIDE), 16, 12),
        ("wide.json", "json", json.dumps(WIDE).encode(), 16, 12),
        ("wide.parquet", "parquet", _parquet(WIDE), 16, 12),
    ]
    return [Seed(name=name, kind=kind, content=raw, replies=n, passed=k) for name, kind, raw, n, k in rows]


# --- damage -----------------------------------------------------------------------------------------------------------

ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 0.5, 1.5, 2, 100, 10**30, 10**400, 1e300, -0.0),
    *("", " ", "N/A", "-", "1e400", "0,5", "85%", "yes", "1_0", "\u0661", "\u2014", "nan", "x" * 300, "a\nb", "a;b,c"),
    *("\ud800", "\x00", "\x1b[31m", "\ufeff", "\u202eid", "\U0001f600", "=1+1", "attachment://x", "../../x"),
    *([], {}, [1], [[]], {"a": 1}, {"value": "C"}, [None], {"message": "boom"}),
]
WORDS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1e400",
    "9" * 5000,
    "[" * 3000,
    '{"a":' * 3000,
    "1" * 400,
    "\\u0000",
]


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _places(item, (*path, key))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        value = value[part]
    return value


def damage_value(value: Any, rng: random.Random) -> Any:
    """Damage JSON at one place: drop, rename, swap, repeat, shuffle, nest."""
    value = copy.deepcopy(value)
    paths = [path for path in _places(value) if path]
    if not paths:
        return rng.choice(ODD)
    *head, key = rng.choice(paths)
    holder = _at(value, tuple(head))
    act = rng.choice(["drop", "odd", "odd", "rename", "swap", "repeat", "shuffle", "nest"])
    if act == "drop":
        del holder[key]
    elif act == "rename" and isinstance(holder, dict):
        holder[rng.choice([str(key).upper(), f" {key}", f"{key}s", "", "\ufeff" + str(key), "score"])] = holder.pop(key)
    elif act == "swap":
        holder[key] = copy.deepcopy(
            _at(value, rng.choice([path for path in paths if path[: len(head)] != (*head, key)]))
        )
    elif act == "repeat" and isinstance(holder, list):
        holder.insert(rng.randrange(len(holder) + 1), copy.deepcopy(holder[key]))
    elif act == "shuffle" and isinstance(holder, list):
        rng.shuffle(holder)
    elif act == "nest":
        for _ in range(rng.choice([1, 3, 500])):
            holder[key] = [holder[key]]
    else:
        holder[key] = rng.choice(ODD)
    return value


def _dumped(value: Any) -> bytes:
    try:
        return json.dumps(value).encode()
    except (RecursionError, ValueError):
        return b"[" * 5000


def damage_text(content: bytes, rng: random.Random) -> bytes:
    """Damage bytes: cut, flip, put in, take out, put a word in place of a number."""
    act = rng.choice(["cut", "flip", "put", "take", "word", "double", "ends"])
    place = rng.randrange(len(content) + 1)
    if act == "cut":
        return content[:place]
    if act == "flip" and content:
        return content[: max(place - 1, 0)] + bytes([rng.randrange(256)]) + content[place:]
    if act == "put":
        return (
            content[:place]
            + rng.choice([b"\xef\xbb\xbf", b"\x00", b'"', b"\n", b",", b"\xff", b";", b"\r"])
            + content[place:]
        )
    if act == "take":
        return content[:place] + content[place + rng.randrange(1, 40) :]
    if act == "word":
        numbers = list(re.finditer(rb"(?<![\w.\"-])\d+(\.\d+)?(?![\w.\"])", content))
        if numbers:
            found = rng.choice(numbers)
            return content[: found.start()] + rng.choice(WORDS).encode() + content[found.end() :]
    if act == "double":
        return content + b"\n" + content
    return content.replace(b"\n", rng.choice([b"\r\n", b"\n\n", b"\r"]))


def damage_rows(lines: list[bytes], rng: random.Random) -> list[bytes]:
    """Repeat, drop or shuffle lines after the first."""
    first, rest = lines[:1], lines[1:]
    act = rng.choice(["repeat", "drop", "shuffle"])
    if act == "shuffle":
        rng.shuffle(rest)
    elif rest:
        place = rng.randrange(len(rest))
        rest = rest[:place] + (rest[place : place + 1] * 2 if act == "repeat" else []) + rest[place + 1 :]
    return first + rest


def _damage_csv(content: bytes, rng: random.Random) -> bytes:
    lines = content.split(b"\n")
    if rng.random() < 0.3:
        return b"\n".join(damage_rows(lines, rng))
    row = 0 if rng.random() < 0.3 else rng.randrange(len(lines))
    cells = lines[row].split(b",")
    cell = rng.randrange(len(cells))
    names = [cells[cell].upper(), b" " + cells[cell], b"score", b"", b"model", b"accuracy", b"llm"]
    odd = [str(one).encode("utf-8", "surrogatepass") for one in ODD]
    cells[cell] = rng.choice(names if row == 0 else odd)
    if rng.random() < 0.1:
        del cells[cell]
    lines[row] = b",".join(cells)
    return b"\n".join(lines)


def _damage_lines(content: bytes, rng: random.Random) -> bytes:
    lines = [line for line in content.split(b"\n") if line.strip()]
    if rng.random() < 0.3:
        return b"\n".join(damage_rows(lines, rng))
    row = rng.randrange(len(lines))
    with contextlib.suppress(ValueError, RecursionError):
        lines[row] = _dumped(damage_value(json.loads(lines[row]), rng))
    return b"\n".join(lines)


def _damage_zip(content: bytes, rng: random.Random) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members: dict[str, Any] = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, ValueError):
        return damage_text(content, rng)
    name = rng.choice(["summaries.json", "header.json", *list(members)[:4]])
    if name not in members or rng.random() < 0.15:
        members.pop(name, None)
    elif rng.random() < 0.2:
        members[name] = damage_text(members[name], rng)
    else:
        with contextlib.suppress(ValueError, RecursionError):
            members[name] = _dumped(damage_value(json.loads(members[name]), rng))
    return _zip(members)


def _damage_json(content: bytes, rng: random.Random) -> bytes:
    try:
        return _dumped(damage_value(json.loads(content), rng))
    except (ValueError, RecursionError):
        return damage_text(content, rng)


def _damage_parquet(content: bytes, rng: random.Random) -> bytes:
    import pyarrow
    from pyarrow import parquet

    try:
        rows = parquet.read_table(io.BytesIO(content)).to_pylist()
        return _parquet([row for row in damage_value(rows, rng) if isinstance(row, dict)])
    except (pyarrow.ArrowException, OSError, ValueError, TypeError, OverflowError, RecursionError, AttributeError):
        return damage_text(content, rng)


DAMAGE: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "csv": _damage_csv,
    "lines": _damage_lines,
    "zip": _damage_zip,
    "json": _damage_json,
    "parquet": _damage_parquet,
    "bytes": damage_text,
}


def damaged(seed: Seed, rng: random.Random) -> bytes:
    """Damage a seed one to three times, one time in five as bytes."""
    content = seed.content
    for _ in range(rng.choice([1, 1, 2, 3])):
        content = (damage_text if rng.random() < 0.2 else DAMAGE[seed.kind])(content, rng)
    return content


# --- endings ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Endings:
    """How the imports ended: by kind, by kind and seed, and the tracebacks and wrong books with their files."""

    kinds: Counter[str] = field(default_factory=Counter)
    by_seed: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def imported(path: Path) -> dict[str, Any]:
    """Import a file as the command does, into the folder one is in; give what it prints as JSON.

    Raises: InputError where it is refused.
    """
    options = ImportOptions(
        files=(path,),
        format="auto",
        task_class=None,
        columns=Columns(),
        bar="0.8",
        today=None,
        pass_at=None,
        mean_score=False,
        cost=(),
        price=(),
        latency=(),
        order=None,
        same=(),
        ladder=None,
    )
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        import_files(options, as_json=True)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def wrong_books(told: dict[str, Any], rows: int | None) -> str:
    """Say what does not add up; "" where all does. `rows`: outcomes in the file, counted here; None: not countable."""
    counted = sum(one["replies"] for one in told["outcomes"])
    left = sum(told["left_out"].values())
    if told["replies"] != counted + left:
        return f"{told['replies']} replies, {counted} counted, {left} left out"
    if rows is not None and told["replies"] != rows:
        return f"{rows} rows in the file, {told['replies']} told"
    off = [
        one
        for one in told["outcomes"]
        if one["replies"] != one["cases"] * one["epochs"] or not 0 <= one["passed"] <= one["replies"]
    ]
    return f"cases, epochs and replies: {off[0]}" if off else ""


def rows_of(path: Path) -> int | None:
    """Count the rows of a file that has one for each outcome, without the importers."""
    content = path.read_bytes()
    try:
        if path.name.startswith("log.eval"):
            members = _members(content)
            own = [item for name, item in members.items() if name.startswith("samples/") and isinstance(item, dict)]
            keys = {json.dumps([item.get("id"), item.get("epoch")]) for item in own}
            summaries = members.get("summaries.json", [])
            told = {json.dumps([row.get("id"), row.get("epoch")]) for row in summaries if isinstance(row, dict)}
            return len(summaries) + len(keys - told)
        if path.name == "log.json":
            return len(json.loads(content)["samples"])
        if path.name == "results.json":
            return len(json.loads(content)["results"]["results"])
    except Exception:  # noqa: BLE001 - what cannot be counted here is counted by the importer alone
        return None
    of_lines = path.name.startswith(("results.jsonl", "samples_"))
    return sum(bool(line.strip()) for line in content.split(b"\n")) if of_lines else None


def fuzz(count: int, start: int, folder: Path) -> Endings:
    """Import `count` damaged files, a seed after the other, in `folder`, which is then the current one."""
    endings, all_seeds = Endings(), seeds()
    with contextlib.chdir(folder):
        for number in range(start, start + count):
            seed = all_seeds[number % len(all_seeds)]
            path = folder / seed.name
            path.write_bytes(damaged(seed, random.Random(number)))  # noqa: S311 - to be had again
            kind = _ending(path, number, endings)
            endings.kinds[kind] += 1
            endings.by_seed[seed.name.partition("_20")[0], kind] += 1
            shutil.rmtree(folder / "reports", ignore_errors=True)
    return endings


def _ending(path: Path, number: int, endings: Endings) -> str:
    try:
        wrong = wrong_books(imported(path), rows_of(path))
    except InputError as error:
        endings.reasons[re.sub(r"[\d'\"].*", "", error.problem)[:60]] += 1
        return "refused"
    except Exception:  # noqa: BLE001 - whatever it is, it is what is looked for
        endings.faults.append(f"input {number} ({path.name}): {traceback.format_exc()}")
        return "traceback"
    if wrong:
        endings.faults.append(f"input {number} ({path.name}): {wrong}")
    return "wrong books" if wrong else "imported"


def told(endings: Endings) -> str:
    """Write the count by kind, by kind and seed, the commonest refusals and the first faults."""
    lines = [", ".join(f"{kind} {number}" for kind, number in endings.kinds.items())]
    lines += [f"{name:20} {kind:12} {number}" for (name, kind), number in sorted(endings.by_seed.items())]
    lines += [f"{number:6} {reason}" for reason, number in endings.reasons.most_common(25)]
    return "\n".join(lines + endings.faults[:10])


def main() -> None:
    """Print how many inputs ended how."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        endings = fuzz(options.count, options.seed, Path(os.path.realpath(folder)))
    sys.stdout.write(f"{told(endings)}\n")


if __name__ == "__main__":
    main()
