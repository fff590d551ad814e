"""A folder -> this process's mark in it, and which of the processes that left one there are gone.

The mark is a file that is locked as long as its process lives: the system drops the lock however the process ends, and
a number that another process got meanwhile misleads nobody.
"""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path

from routerctl.files.private import tighten

_TRIES = 100
RUNNING_FOLDER = "running"  # beside the files that processes share


class RunningMark:
    """This process among those that share a folder."""

    def __init__(self, folder: Path) -> None:
        """Leave the mark, making the folder where it is missing.

        Raises: OSError where the folder, or its file system, takes no locked file.
        """
        self._folder, self.name = folder, f"{os.getpid()}-{secrets.token_hex(4)}"
        self._file = _made(folder / self.name)
        tighten(folder / self.name)
        try:
            _lock(self._file)
        except OSError:
            self.close()
            raise

    def is_gone(self, name: str) -> bool:
        """Tell whether the process that left a mark has ended; its file is cleared away then."""
        path = self._folder / Path(name).name
        try:
            file = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return True
        try:
            _lock(file)
        except OSError:
            return False
        finally:
            os.close(file)
        path.unlink(missing_ok=True)
        return True

    def close(self) -> None:
        """Take the mark away."""
        os.close(self._file)
        with suppress(OSError):
            (self._folder / self.name).unlink(missing_ok=True)
            self._folder.rmdir()  # the last one leaves nothing


def _made(path: Path) -> int:
    """Open a new file, making its folder; another process may take the empty folder away in between."""
    for _ in range(_TRIES):
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    raise FileNotFoundError(path)


def _lock(file: int) -> None:
    """Lock a file at once or not at all: OSError."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
