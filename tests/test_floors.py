"""The plan of the package: imports point only down, the two wings know nothing of each other, files stay readable."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "routerctl"
# From the ground up; rooms of one floor do not import each other, but for the ground's first ones.
FLOORS = [
    ["types"],
    ["redaction"],
    ["errors"],
    ["version", "words", "costs", "statistics", "scorers", "files", "notices", "svg", "levels", "pages"],
    ["providers"],
    ["strategies"],
    ["classify"],
    ["table"],
    ["evaluation", "routing"],
    ["tuning", "monitoring", "review", "service"],
    ["cli", "testing"],
]
GROUND = 3  # floors up to this one may use what stands beside them
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}
LONGEST, MOST_LINES = 40, 400
PATHS = sorted(PACKAGE.rglob("*.py"))


def _module(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_module(path): path for path in PATHS}


@cache
def _imports(module: str) -> frozenset[str]:
    """The modules of the package that a module imports, wherever in it and for whatever purpose."""
    found = set[str]()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found.update(name if name in MODULES else node.module for name in names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return frozenset(found & MODULES.keys()) - {module}


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    """A file imports from its own room, or from rooms on lower floors: `evaluation` and `routing` meet in `table`."""
    room = _room(module)
    if room in ("", "__main__"):
        return
    assert room in FLOOR_OF, f"{room} is on no floor: name it in FLOORS"
    own = FLOOR_OF[room]
    others = {_room(name) for name in _imports(module)} - {room, ""}
    assert "routerctl" not in _imports(module), "the package's face is for others: it leads to the router"
    wrong = sorted(other for other in others if FLOOR_OF[other] > own or (FLOOR_OF[other] == own > GROUND))
    assert not wrong, f"{module} imports {wrong}, which do not stand below it"


def test_no_files_import_each_other_in_a_circle() -> None:
    """From no file a chain of imports leads back to it, inside a function or out of it."""
    done = set[str]()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module in done:
            return
        for other in sorted(_imports(module)):
            if not module.startswith(f"{other}."):  # a file may use what its folder's face imports from elsewhere
                walk(other, (*path, module))
        done.add(module)

    for module in MODULES:
        walk(module, ())


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_stay_readable(path: Path) -> None:
    """No file has more than 400 lines, no function more than 40; a command's options and help do not count."""
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    is_command = path.parent == PACKAGE / "cli"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1 if ast.get_docstring(node) and len(node.body) > 1 else 0] if is_command else node
            length = (node.end_lineno or 0) - first.lineno + 1
            assert length <= LONGEST, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_command_line_prints(path: Path) -> None:
    """Below `cli/` nothing knows a terminal: what a person should hear goes through `notices`."""
    children = [PACKAGE / f"scorers/sandbox/{name}.py" for name in ("child", "exchange", "python")]  # no terminal there
    if path in children or path.relative_to(PACKAGE).parts[0] in ("cli", "testing"):
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            assert not {name.partition(".")[0] for name in names} & {"typer", "rich", "click"}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sys":
            assert node.attr not in ("stdin", "stdout", "stderr"), f"line {node.lineno}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"line {node.lineno}"
