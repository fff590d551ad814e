"""Imports point only downwards: a module may use what stands above it in the list, never what stands below."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "routerctl"

FLOORS = [
    ["errors", "types"],
    ["words", "costs", "statistics", "scorers"],
    ["files", "providers", "strategies", "classify", "table"],
    ["routing", "evaluation"],
    ["tuning", "monitoring", "review"],
    ["cli"],
]
# Files that came from the command line and still use it: to be mended, none may be added.
STILL_UP = {
    "evaluation/check.py": ["review"],
    "evaluation/evidence.py": ["monitoring"],
    "evaluation/importers/ladder.py": ["cli"],
    "monitoring/drift/reruns.py": ["cli"],
    "monitoring/replay/redecide.py": ["cli"],
    "review/ci/publish.py": ["cli"],
    "review/diff/render.py": ["cli"],
    "review/diff/revisions.py": ["cli"],
    "routing/batch.py": ["cli"],
    "routing/decision_log/places.py": ["cli", "evaluation"],
    "routing/decision_log/recorder.py": ["cli"],
    "routing/decision_log/schema.py": ["evaluation"],
    "routing/experiments/active.py": ["cli"],
    "routing/router.py": ["cli"],
    "routing/tenants.py": ["cli"],
}
# Within a floor a module may import those named before it.
ORDER = {name: place for place, name in enumerate(name for floor in FLOORS for name in floor)}


def _unit(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("routerctl"):
            parts = node.module.split(".")
            found.update([parts[1]] if len(parts) > 1 else [alias.name for alias in node.names])
        elif isinstance(node, ast.Import):
            found.update(alias.name.split(".")[1] for alias in node.names if alias.name.startswith("routerctl."))
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    """A module imports only from its own unit or from units that stand before it in the list."""
    unit = _unit(path)
    if unit in ("__init__", "__main__"):
        return
    assert unit in ORDER, f"{unit} is on no floor: name it in FLOORS"
    wrong = sorted(name for name in _imports(path) - {unit, "__version__"} if ORDER.get(name, 99) > ORDER[unit])
    assert wrong == STILL_UP.get(str(path.relative_to(PACKAGE)), []), f"{unit} imports {wrong}, which stand below it"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_stay_readable(path: Path) -> None:
    """No file of the package has more than 400 lines."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
