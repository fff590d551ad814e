"""Where a command is to write, seen before it asks anybody: what was paid for must not end at a file's name."""

from __future__ import annotations

import os
from pathlib import Path

from routerctl.errors import InputError


def check_output(path: Path | None, *, makes_folders: bool = False) -> None:
    """See that a file can be written there; `makes_folders`: the command makes the folders that are missing.

    A file is written beside and takes the other's place, which no device may lose.
    Raises: InputError.
    """
    if path is None:
        return
    try:
        if path.is_dir():
            raise InputError("expected a file to write, this is a folder", file=str(path))
        if path.exists() and not path.is_file():
            raise InputError("expected a file to write, this is none", file=str(path))
        folder = path.absolute().parent
        while makes_folders and not folder.exists():
            folder = folder.parent
        if not folder.is_dir():
            raise InputError("no such folder", file=str(path.parent))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise InputError("this folder cannot be written to", file=str(path.parent))
    except OSError as error:  # a name that is too long, say
        raise InputError(f"expected a file to write: {error.strerror}", file=str(path)) from None
