"""What is read of the installed SDKs, and that a list which is gone does not look like one that is empty."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import openai
import pytest
from anthropic.resources.messages import messages
from anthropic.types.model_param import ModelParam

from routerctl.providers import sdk_lists
from tests.conftest import Project, clean_env

ASK = """
import json, sys
from routerctl.providers import sdk_lists
ends, ids = sdk_lists.ends("anthropic"), sdk_lists.model_ids("anthropic")
told = {
    "ends": ends and {model: day.isoformat() for model, day in ends.items()},
    "ids": ids and sorted(ids),
    "absent": list(sdk_lists.absent(["anthropic"])),
    "imported": "anthropic" in sys.modules,
}
print(json.dumps(told))
"""
ENDS = 'DEPRECATED_MODELS = {"m-1": "November 30th, 2026", "m-2": "January 2nd, 2027"}\n'
TYPED = 'DEPRECATED_MODELS: "dict[str, str]" = ' + ENDS.partition(" = ")[2]
IDS = 'from typing import Literal, Union\nModelParam = Union[Literal["m-1", "m-2"], str]\n'
READ = {"m-1": "2026-11-30", "m-2": "2027-01-02"}


def _sdk(folder: Path, files: dict[str, str]) -> None:
    """Write an `anthropic` package of these files, its folders importable."""
    for name, text in {"__init__.py": "", **files}.items():
        path = folder / "anthropic" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        for parent in (path.parent, path.parent.parent):
            (parent / "__init__.py").touch()


def test_the_installed_sdks_have_all_lists() -> None:
    """Whoever upgrades an SDK whose lists have moved is told here first; they are those that it has at run time."""
    assert list(sdk_lists.absent(["anthropic", "openai", "local"])) == []
    assert sdk_lists.model_ids("anthropic") == frozenset(get_args(get_args(ModelParam)[0]))
    assert sdk_lists.model_ids("openai") == frozenset(get_args(openai.types.ChatModel))
    assert messages.DEPRECATED_MODELS
    assert (sdk_lists.ends("anthropic") or {}).keys() == messages.DEPRECATED_MODELS.keys()
    for model, day in (sdk_lists.ends("anthropic") or {}).items():
        assert messages.DEPRECATED_MODELS[model] == f"{day:%B} {day.day}{_ordinal(day.day)}, {day.year}"
    assert sdk_lists.ends("openai") is None


def _ordinal(day: int) -> str:
    return "th" if 10 < day < 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def test_reading_the_installed_lists_imports_no_sdk() -> None:
    """They are where they are known to be: an SDK takes 2 s to import."""
    ask = "import sys\nfrom routerctl.providers import sdk_lists as of\n"
    ask += "assert of.ends('anthropic') and of.model_ids('anthropic') and of.model_ids('openai')\n"
    ask += "print(sorted({'anthropic', 'openai'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True, text=True).stdout == "[]\n"


TYPES, OLD, NEW = "types/model_param.py", "resources/messages/messages.py", "_data/deprecated_models.py"
MOVED = {  # both lists, and their public names lead there
    "lists.py": ENDS + IDS,
    OLD: "from anthropic.lists import DEPRECATED_MODELS",
    "types/__init__.py": "from anthropic.lists import ModelParam",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is read of an SDK: the ends, whether there are ids, whether it was imported, how many lists are absent."""

    ends: dict[str, str] | None
    ids: bool = True
    imported: bool = False
    absent: int = 0


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({OLD: ENDS, TYPES: IDS}, Told(ends=READ)),
        ({NEW: TYPED, TYPES: IDS}, Told(ends=READ)),
        ({NEW: "DEPRECATED_MODELS = {}", OLD: ENDS, TYPES: IDS}, Told(ends=READ)),
        ({NEW: "DEPRECATED_MODELS = {}", TYPES: IDS}, Told(ends={})),
        (MOVED, Told(ends=READ, imported=True)),
        ({TYPES: IDS}, Told(ends=None, imported=True, absent=1)),
        ({NEW: ENDS}, Told(ends=READ, ids=False, imported=True, absent=1)),
        ({}, Told(ends=None, ids=False, imported=True, absent=2)),
        ({NEW: 'DEPRECATED_MODELS = {"m-1": "soon"}', TYPES: IDS}, Told(ends=None, imported=True, absent=1)),
        (
            {NEW: "DEPRECATED_MODELS = 7", TYPES: "ModelParam = str"},
            Told(ends=None, ids=False, imported=True, absent=2),
        ),
    ],
    ids=["2.12", "2.14", "both", "empty", "moved", "no-ends", "no-ids", "neither", "other-words", "other-shape"],
)
def test_a_list_is_found_or_said_to_be_absent(files: dict[str, str], told: Told, tmp_path: Path) -> None:
    """Where it stood, where it stands, where a public name leads; else it is None, which no empty list is."""
    _sdk(tmp_path, files)
    env = clean_env({"PYTHONPATH": str(tmp_path)})
    done = subprocess.run([sys.executable, "-c", ASK], check=True, capture_output=True, text=True, env=env)
    found = json.loads(done.stdout)
    assert found["ids"] == (["m-1", "m-2"] if told.ids else None)
    assert (found["ends"], found["imported"], len(found["absent"])) == (told.ends, told.imported, told.absent)


def test_check_and_models_say_that_an_sdk_lists_nothing(project: Project, tmp_path: Path) -> None:
    """A warning each, on stderr; what routerctl ships is known all the same, and `models` says until when."""
    _sdk(tmp_path / "empty", {})
    project.config["providers"]["vendor"] = {"kind": "anthropic"}
    project.config["candidates"] |= {
        "old": {"provider": "vendor", "model": "claude-opus-4-5-20251101"},
        "new": {"provider": "vendor", "model": "claude-opus-5-5"},
    }
    project.save()
    env = {"PYTHONPATH": str(tmp_path / "empty")}
    for command in (["check"], ["models"], ["models", "--json"]):
        said = [project.run(*command, env=more) for more in (env, {})]
        assert [done.code for done in said] == [0, 0]
        gone = "lists no retirements where routerctl looks for them"
        assert [gone in done.err for done in said] == [True, False]
        shown = [done.err if command == ["check"] else done.out for done in said]
        assert all("retires on 2027-01-22" in one or "retires 2027-01-22" in one for one in shown)
        assert command == ["check"] or all("no end known on 2026-11-" in one for one in shown)
