"""What a person should hear while something else goes on -> whoever takes it: a logger named `routerctl`, or the host.

Nothing below the command line prints. A host that configures the logger gets every notice there; one that wants them
otherwise (the command line writes them to stderr) takes them with `take`. Place: the ground.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from routerctl.redaction import redacted

Level = Literal["info", "warning", "alarm"]  # an alarm: a person must look at it now
Notify = Callable[[str, Level], None]


def log(text: str, level: Level) -> None:
    """Give a notice to the logger `routerctl`; where nobody has configured logging, nobody hears it."""
    import logging  # 10 ms of a start, where nothing is said

    logger = logging.getLogger("routerctl")
    if not logger.hasHandlers():
        logger.addHandler(logging.NullHandler())
    logger.log({"info": logging.INFO, "warning": logging.WARNING, "alarm": logging.ERROR}[level], "%s", text)


_taken_by: list[Notify] = [log]
_said: set[str] = set()


def take(notify: Notify) -> Notify:
    """Send every notice of this process to `notify` (text, level) from now on; give what took them before."""
    before, _taken_by[0] = _taken_by[0], notify
    return before


def info(text: str) -> None:
    """Say what may interest a person."""
    _taken_by[0](redacted(text), "info")


def warn(text: str) -> None:
    """Say what a person should hear, but need not stop for."""
    _taken_by[0](redacted(text), "warning")


def warn_once(text: str) -> None:
    """Say what a person should hear, but not twice in one process."""
    if text not in _said:
        _said.add(text)
        warn(text)


def alarm(text: str) -> None:
    """Say what a person must look at."""
    _taken_by[0](redacted(text), "alarm")
