"""What an installed SDK lists -> its model ids, and the days on which they retire; None where no such list is found.

A list is read from the SDK's file, since importing an SDK takes 2 s; where it is not in a file that it is known to be
in, the SDK is imported and asked. The files are the SDK's own affair and move: a list that is gone is told by `absent`
and never taken for an empty one.
"""

from __future__ import annotations

import ast
import importlib
import re
import runpy
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar, get_args

T = TypeVar("T")

_IDS = {  # file, public module, name of a union of literals
    "anthropic": ("types/model_param.py", "anthropic.types", "ModelParam"),
    "openai": ("types/shared/chat_model.py", "openai.types", "ChatModel"),
}
_ENDS = {  # files, module, name of a mapping from id to day in words, "November 30th, 2026"
    "anthropic": (
        ("resources/messages/messages.py", "_data/deprecated_models.py"),  # until 2.12, since
        "anthropic.resources.messages.messages",
        "DEPRECATED_MODELS",
    ),
}
# What comes of a file that moved, a name that is gone, or a list of another shape.
_GONE = (OSError, ImportError, SyntaxError, LookupError, NameError, AttributeError, TypeError, ValueError)


@cache
def model_ids(package: str) -> frozenset[str] | None:
    """Give the model ids in an SDK's types."""
    file, module, name = _IDS[package]
    return _first(
        [
            lambda: _literals(runpy.run_path(str(_folder(package) / file))[name]),  # alone, without the package around
            lambda: _literals(getattr(importlib.import_module(module), name)),
        ]
    )


@cache
def ends(package: str) -> Mapping[str, date] | None:
    """Give the days on which models retire or have retired, as an SDK lists them; None for one that never did, too."""
    if package not in _ENDS:
        return None
    files, module, name = _ENDS[package]
    in_files = [lambda file=file: _days(_assigned(_folder(package) / file, name)) for file in files]
    return _first([*in_files, lambda: _days(getattr(importlib.import_module(module), name))])


def absent(packages: Iterable[str]) -> Iterator[str]:
    """Name the lists that are not found in the installed SDKs, a line each; nothing of a package that had none."""
    for package in packages:
        if package in _IDS and model_ids(package) is None:
            yield f"{_installed(package)} lists no model ids where routerctl looks for them: fewer aliases are refused"
        if package in _ENDS and ends(package) is None:
            yield (
                f"{_installed(package)} lists no retirements where routerctl looks for them: only those that routerctl "
                "ships are known"
            )


def _first(ways: Iterable[Callable[[], T]]) -> T | None:
    for way in ways:
        with suppress(*_GONE):
            return way()
    return None


def _folder(package: str) -> Path:
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise LookupError(package)
    return Path(found.submodule_search_locations[0])


def _installed(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # 15 ms of a start

    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


def _literals(union: Any) -> frozenset[str]:
    parts = [value for part in (union, *get_args(union)) for value in get_args(part)]
    found = frozenset(value for value in parts if isinstance(value, str))
    if not found:
        raise TypeError(f"no literals in {union}")
    return found


def _assigned(path: Path, name: str) -> Any:
    """Give the literal that a module assigns to a name."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if value is not None and any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return ast.literal_eval(value)
    raise LookupError(name)


def _days(listed: Mapping[str, str]) -> dict[str, date]:
    return {model: _day(words) for model, words in listed.items()}


def _day(words: str) -> date:
    plain = re.sub(r"(\d)(st|nd|rd|th)\b", r"\1", words)
    return datetime.strptime(plain, "%B %d, %Y").date()  # noqa: DTZ007 - a day, not a moment
