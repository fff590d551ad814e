"""A file below `.routerctl` that its owner alone can read, whatever the umask: it may hold prompts and replies."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

FOLDER = ".routerctl"
_BESIDE = ("", "-wal", "-shm", "-journal")  # what SQLite keeps beside a database; new ones take the database's mode


def make_private(path: Path) -> None:
    """Make a file and its folders where they are missing; tighten those that others can read.

    What cannot be changed (a read-only folder, somebody else's file) stays as it is: whoever opens it hears of it.
    Raises: OSError where a folder is missing and cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    tighten(path)


def tighten(path: Path) -> None:
    """Let nobody else read a file, what SQLite keeps beside it, and the folders from `.routerctl` down to it."""
    if os.name != "posix":
        return
    above = list(path.absolute().parents)
    below = [folder for folder in above if FOLDER in (folder.name, *(parent.name for parent in folder.parents))]
    for folder in reversed(below):
        _tighten(folder, 0o700)
    for ending in _BESIDE:
        _tighten(path.with_name(path.name + ending), 0o600)


def _tighten(path: Path, mode: int) -> None:
    with suppress(OSError):
        found = path.lstat()
        is_ours = found.st_uid == os.geteuid() and (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode))
        if is_ours and stat.S_IMODE(found.st_mode) != mode:
            path.chmod(mode)
