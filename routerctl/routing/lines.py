"""The noun of `batch`: a line of input, whatever stands on it."""

from __future__ import annotations

from dataclasses import dataclass

from routerctl.errors import InputError
from routerctl.types import Inquiry


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the input, or all of it as one prompt."""

    number: int | None  # from 1; None: all of the input is one prompt
    inquiry: Inquiry | None = None  # None: nothing stands on it, or nothing that can be meant
    problem: InputError | None = None  # why it is no prompt
    id: str | None = None  # the caller's own, also of a line that is no prompt where it can be told
