"""Text -> a file that is whole or not there: written beside its place and moved into it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from routerctl.errors import InputError
from routerctl.redaction import redacted


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Raises: InputError where there can be no such file.
    """
    with written_beside(path) as beside:
        beside.write_text(redacted(text), encoding="utf-8")


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Give the file to write that takes the place of another at the end; an error names the place, not the draft.

    Raises: InputError where there can be no such file.
    """
    check_place(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            yield beside
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        if error.filename in (beside, str(beside)):
            error.filename, error.filename2 = str(path), None
        raise


def check_place(path: Path | None, *, makes_folders: bool = False) -> None:
    """See that a file could be written at a place, before the work for it is done; None = no file is wanted.

    `makes_folders`: whoever writes makes the folders that are missing. Raises: InputError.
    """
    if path is None:
        return
    try:
        if path.exists() and not path.is_file():  # a device would be replaced
            what = "a folder" if path.is_dir() else "not a regular file"
            raise InputError(f"is {what}; expected the name of a file to write", file=str(path))
        folder = path.absolute().parent
        while makes_folders and not folder.exists():
            folder = folder.parent
        if not folder.is_dir():
            raise InputError("no such folder", file=str(path.parent))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise InputError("this folder cannot be written to", file=str(path.parent))
    except OSError as error:  # a name that is too long, say
        raise InputError(f"cannot be written: {error.strerror}", file=str(path)) from None
