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
    _make_folders(path.parent)
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        path.chmod(0o600)  # a umask may have taken the owner's own rights
    tighten(path)


def _make_folders(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    try:
        folder.mkdir(0o700 if _is_below(folder) else 0o777)
    except FileExistsError:
        if not folder.is_dir():  # else somebody else was quicker
            raise
    else:
        if _is_below(folder):
            folder.chmod(0o700)


def _is_below(folder: Path) -> bool:
    return FOLDER in folder.absolute().parts


def tighten(path: Path) -> None:
    """Let nobody else read a file, what SQLite keeps beside it, and the folders from `.routerctl` down to it."""
    if os.name != "posix":
        return
    for folder in reversed(path.absolute().parents):
        if _is_below(folder):
            _tighten(folder, 0o700)
    for ending in _BESIDE:
        _tighten(path.with_name(path.name + ending), 0o600)


def _tighten(path: Path, mode: int) -> None:
    with suppress(OSError):
        found = path.lstat()
        is_ours = found.st_uid == os.geteuid() and (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode))
        now = stat.S_IMODE(found.st_mode)
        if is_ours and now & ~mode:  # what its owner took away stays away
            path.chmod(now & mode)
