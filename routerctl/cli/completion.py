"""What a shell offers for a word that is being typed: names of the project's classes, candidates, ladders and runs.

It reads what can be read of a project that is half written, and offers nothing where nothing can: whoever presses a
key in the middle of a line wants no error there. It imports no more than reading YAML takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import typer

_Completion = Callable[[typer.Context, str], list[str]]
_MOST = 1_000_000  # characters of a file that are read


def _of(names: Callable[[Path], Iterable[str]]) -> _Completion:
    """Turn a function that names things of a project into one that a shell's word is completed by."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        root = Path(ctx.find_root().params.get("directory") or ".")
        try:
            found = [name for name in dict.fromkeys(names(root)) if name.startswith(incomplete)]
        except Exception:  # noqa: BLE001 - whatever is wrong with the project, a shell's line is no place to say it
            return []
        return [name for name in found if name.isprintable() and not any(map(str.isspace, name))]

    return complete


def _keys(root: Path, file: str, *path: str) -> list[str]:
    from routerctl.files.yaml import keys_below

    if not (root / file).is_file():
        return []
    with (root / file).open(encoding="utf-8-sig", errors="replace") as opened:
        return keys_below(opened.read(_MOST), path)


def _classes(root: Path) -> list[str]:
    own = sorted(path.stem for path in (root / "evals").glob("*.yaml"))
    return [*own, *_keys(root, "routes.yaml", "routes")]


def _candidates(root: Path) -> list[str]:
    return [*_keys(root, "routerctl.yaml", "candidates"), *_keys(root, "routes.yaml", "candidates")]


def _runs(root: Path) -> list[str]:
    return sorted((path.parent.name for path in (root / "reports").glob("*/run.json")), reverse=True)


def _tables(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob("*.yaml") if path.name != "routerctl.yaml")


classes = _of(_classes)
candidates = _of(_candidates)
runs = _of(_runs)
tables = _of(_tables)
baselines = _of(lambda root: [*_tables(root), *_runs(root)])
ladders = _of(lambda root: _keys(root, "routerctl.yaml", "ladders"))
tiers = _of(lambda root: _keys(root, "routerctl.yaml", "routing", "tiers"))
tenants = _of(lambda root: _keys(root, "routerctl.yaml", "routing", "tenants"))
