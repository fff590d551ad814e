"""Measures the plan of the package: what stands where, who imports whom, and which files one prompt walks through.

    python benchmarks/house.py [--beside CHECKOUT] [--json] [--quick]

A room is a folder or a file at the top of the package, an arrow an import between two rooms, wherever in a file it
stands; floors are the longest chain of arrows, a circle is a set of files that lead back to each other by imports. The
walk is of one prompt, from stdin to the log: a project on scripted replies is built here, and every file counts in
which a function runs while `routerctl route` serves one line. `--beside`: another checkout, say of an earlier commit.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PRICE = {"date": "2026-11-01", "source": "made up", "input_mtok_usd": 1, "output_mtok_usd": 5}
WALK = """
import sys, threading
entered = set()
def note(frame, event, _):
    if event == "call" and frame.f_code.co_name != "<module>":
        entered.add(frame.f_code.co_filename)
from routerctl.cli import run
threading.setprofile(note); sys.setprofile(note)
code = run(["route", "--lines", "--class", "sums"])
sys.setprofile(None)
sys.stderr.write("\\n".join(sorted(name for name in entered if "routerctl" in name)))
sys.exit(code)
"""
Figures = Mapping[str, int | str]


def _modules(package: Path) -> dict[str, Path]:
    """The package's modules, by dotted name."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _imports(tree: ast.AST, modules: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in modules else node.module for name in names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def _circles(arrows: Mapping[str, set[str]]) -> list[set[str]]:
    """The sets of nodes that lead back to each other."""
    reach = {name: _reached(name, arrows) for name in arrows}
    sets = {frozenset(other for other in reach[name] if name in reach[other]) for name in arrows}
    return [set(one) for one in sets if len(one) > 1]


def _reached(start: str, arrows: Mapping[str, set[str]]) -> set[str]:
    seen, open_ = set[str](), [start]
    while open_:
        fresh = arrows[open_.pop()] - seen
        seen |= fresh
        open_ += fresh
    return seen


def _floors(arrows: Mapping[str, set[str]]) -> int:
    """The longest chain, rooms in a circle counted as one."""
    depth: dict[str, int] = {}

    def of(name: str, path: tuple[str, ...]) -> int:
        if name not in depth:
            below = [of(other, (*path, name)) for other in arrows[name] if other not in path]
            depth[name] = 1 + max(below, default=0)
        return depth[name]

    return max(of(name, ()) for name in arrows)


def plan_of(checkout: Path) -> Figures:
    """Measure a checkout's package without running it."""
    package = checkout / "routerctl"
    modules = _modules(package)
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in modules.items()}
    files = {name: set(_imports(tree, modules)) & modules.keys() - {name} for name, tree in trees.items()}
    rooms: dict[str, set[str]] = {_room(name): set() for name in files if _room(name) not in ("", "__main__")}
    for name, others in files.items():
        if _room(name) in rooms:
            rooms[_room(name)] |= {_room(other) for other in others} - {_room(name), ""}
    longest = max(_lengths(trees, modules, package / "cli"))
    in_cli = [path for path in modules.values() if path.is_relative_to(package / "cli")]
    return {
        "files": len(modules),
        "lines": sum(_lines(path) for path in modules.values()),
        "rooms": len(rooms),
        "floors": _floors(rooms),
        "arrows between rooms": sum(map(len, rooms.values())),
        "circles of files": len(_circles(files)),
        "circles of rooms": len(_circles(rooms)),
        "files in cli/": len(in_cli),
        "lines in cli/": sum(map(_lines, in_cli)),
        "longest function": f"{longest[0]} ({longest[1]})",
    }


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _lengths(trees: Mapping[str, ast.Module], modules: Mapping[str, Path], commands: Path) -> Iterator[tuple[int, str]]:
    """The lines of each function; of a command without its options and its help."""
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                has_help = modules[module].parent == commands and ast.get_docstring(node) and len(node.body) > 1
                first = node.body[1] if has_help else node
                yield (node.end_lineno or 0) - first.lineno + 1, node.name


def walk_of(checkout: Path) -> Figures:
    """Serve one prompt and count the files and rooms that it enters."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _project(root)
        environment = {**os.environ, "PYTHONPATH": str(checkout), "CI": "1"}
        for words in (["eval"], ["build-table"]):
            command = [sys.executable, "-m", "routerctl", *words]
            subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True)
        command = [sys.executable, "-c", WALK]
        served = subprocess.run(
            command, cwd=root, env=environment, check=True, capture_output=True, text=True, input="1+1\n"
        )
    package = checkout / "routerctl"
    entered = [Path(line) for line in served.stderr.splitlines() if line.startswith(str(package))]
    rooms = {path.relative_to(package).with_suffix("").parts[0] for path in entered}
    in_cli = [path for path in entered if path.is_relative_to(package / "cli")]
    return {"files a prompt enters": len(entered), "rooms it enters": len(rooms), "of its files in cli/": len(in_cli)}


def _project(root: Path) -> None:
    """Write a project whose two models answer from a script, the second always rightly."""
    right = {f"{k}+1": str(k + 1) for k in range(60)}
    cases = [{"id": f"c{k}", "input": asked, "expected": told} for k, (asked, told) in enumerate(right.items())]
    eval_set = {"schema_version": 1, "description": "Sums.", "bar": 0.8, "scorer": {"name": "exact"}, "cases": cases}
    config = {
        "schema_version": 1,
        "ladder": "main",
        "providers": {"fake": {"kind": "fake", "options": {"replies": "replies.json"}}},
        "candidates": {name: {"provider": "fake", "model": name} for name in ("small", "large")},
        "ladders": {"main": ["small", "large"]},
        "prices": [{"provider": "fake", "model": name, **PRICE} for name in ("small", "large")],
    }
    (root / "evals").mkdir()
    (root / "evals/sums.yaml").write_text(json.dumps(eval_set), encoding="utf-8")
    (root / "routerctl.yaml").write_text(json.dumps(config), encoding="utf-8")
    (root / "replies.json").write_text(json.dumps({"small": {"*": "?"}, "large": right}), encoding="utf-8")


def main() -> None:
    """Measure, print, and assert what the plan promises."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--beside", type=Path, help="another checkout, printed first")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="the same: it takes seconds")
    options = parser.parse_args()
    checkouts = [one.resolve() for one in (options.beside, ROOT) if one]
    measured = [{**plan_of(one), **walk_of(one)} for one in checkouts]
    if options.json:
        print(json.dumps(measured))
    else:
        for name in measured[-1]:
            print(f"{name:<24}{''.join(f'{one[name]:>28}' for one in measured)}")
    assert measured[-1]["circles of files"] == 0, "files import each other in a circle"


if __name__ == "__main__":
    main()
