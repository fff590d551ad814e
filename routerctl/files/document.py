"""A file's values with their lines: whoever finds something wrong with a value says so by its path in the file.

It notes or raises, and knows neither how a file is read (`yaml`) nor what its values mean (`codec` and the readers).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from routerctl.errors import InputError, raise_all

PathParts = tuple[str | int, ...]
_LONGEST = 1500  # characters of a problem: what is wrong may be a text without an end


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What was found wrong with a document so far, and the places that could not be read."""

    errors: list[InputError] = field(default_factory=list)
    unread: list[PathParts] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file's values and where each stands: `lines` maps a path such as ("candidates", "haiku") to a 1-based line.

    `noted`: where all that is wrong is wanted at once, it is noted here; without it the first thing is raised.
    """

    file: str
    value: Any
    lines: Mapping[PathParts, int]
    noted: Noted | None = None

    def noting(self) -> Document:
        """Give the document as one whose errors are noted until `raise_noted`."""
        return replace(self, noted=Noted())

    def raise_noted(self) -> None:
        """End with all that was noted.

        Raises: InputError with the others in its `more`.
        """
        if self.noted:
            raise_all(self.noted.errors)

    def is_unread(self, path: PathParts) -> bool:
        """Tell whether what stands at `path`, around it or in it could not be read: it says nothing more then."""
        unread = self.noted.unread if self.noted else ()
        return any(path[: len(one)] == one[: len(path)] for one in unread)

    def cannot_name(self, *path: str) -> bool:
        """Tell whether the mapping at `path` could not be read, so that nobody knows which names are in it."""
        return self.noted is not None and path in self.noted.unread

    def cannot_read(self, path: PathParts, problem: str, *, about: PathParts | None = None) -> None:
        """Note what could not be read at `path`; `about`: the place itself, where the error points around it.

        Raises: InputError unless errors are noted.
        """
        place = path if about is None else about
        if self.noted is None:
            raise self.error(path, problem)
        if not any(place[: len(one)] == one for one in self.noted.unread):
            self.noted.unread.append(place)
            self.noted.errors.append(self.error(path, problem))

    def unreadable(self, path: PathParts) -> None:
        """Take down that a place cannot be read, where the reason is told elsewhere."""
        if self.noted is not None:
            self.noted.unread.append(path)

    def adopt(self, error: InputError) -> None:
        """Note what was found in another file.

        Raises: InputError unless errors are noted.
        """
        if self.noted is None:
            raise error
        self.noted.errors.extend((error, *error.more))

    def take(self, part: Document) -> None:
        """Move what was noted with a part of the document to what is noted with all of it."""
        if self.noted and part.noted:
            self.noted.errors.extend(part.noted.errors)
            part.noted.errors.clear()

    def note(self, path: PathParts, problem: str) -> None:
        """Note what is wrong with a value, unless it is that it could not be read.

        Raises: InputError unless errors are noted.
        """
        if self.noted is None:
            raise self.error(path, problem)
        if not self.is_unread(path):
            self.noted.errors.append(self.error(path, problem))

    def line(self, path: PathParts) -> int | None:
        """Give the line of the value at `path`, or of the nearest one around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None

    def error(self, path: PathParts, problem: str) -> InputError:
        """Make the error that points at `path`."""
        where = ".".join(str(part) for part in path)
        text = f"{where}: {problem}" if where else problem
        shown = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 300]}\u2026{text[-300:]}"
        return InputError(shown, file=self.file, line=self.line(path))

    def require(self, condition: bool, path: PathParts, problem: str) -> bool:
        """Note the problem at `path` unless the condition holds; tell whether it does.

        Raises: InputError unless errors are noted.
        """
        if not condition:
            self.note(path, problem)
        return condition


def check_schema_version(document: Document, known: int) -> None:
    """Refuse a file of another schema version, saying which one this program knows.

    Raises: InputError.
    """
    value = document.value
    path = ("schema_version",)
    if not isinstance(value, dict):
        raise document.error((), "expected a mapping that starts with schema_version")
    if "schema_version" not in value:
        document.cannot_read((), "'schema_version' is missing", about=path)
    elif isinstance(version := value["schema_version"], int) and version > known:
        raise document.error(path, f"{version} is newer than this routerctl knows ({known}); upgrade routerctl")
    elif version != known or isinstance(version, bool):
        got = repr(version) if isinstance(version, str) else version
        document.cannot_read(path, f"expected {known}, got {got}")
