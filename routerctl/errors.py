"""Every error a user can meet, with its exit code and what may be done about it.

    RouterctlError                 1  unexpected
    ├── InputError                 2  what the user wrote is wrong (file, line, what was expected)
    │   └── MergeConflict             git left both sides of a merge in a file
    ├── GateError                  3  nobody at the bar, a regression, a table that does not follow from its evidence
    ├── EveryRungFailed            4  every rung of a route failed
    ├── ProviderError              5  the far side refuses or is down
    │   ├── KeyMissing             2  the key variable is not set: what the user must set
    │   ├── KeyRefused                401, 403
    │   ├── BillingProblem            402, or the account's quota is used up
    │   ├── ModelNotFound             404 for the model: never existed, or retired
    │   ├── WrongAddress              a redirect, or a 404 that speaks of no model: something else answers there
    │   ├── BadRequest                400, 413, 422: this request will never work there
    │   ├── RateLimited               429                                  retryable
    │   ├── Overloaded                503, 529                             retryable
    │   ├── ServerFault               500, 502 and unlisted 5xx            retryable
    │   ├── TimedOut                  no answer within timeout_s, 408, 504     retryable
    │   ├── ConnectionFailed          refused, reset, DNS                  retryable
    │   ├── Busy                      all our own slots were taken until the deadline
    │   └── BrokenReply               an answer that is not of the API's shape   retryable
    ├── StateDown                  5  the shared state (health, budgets) cannot be used
    ├── BudgetSpent                6  the spending limit was reached
    │   └── OverBudget                a call does not fit into what is left of a budget
    └── Inconclusive               7  too few cases to decide, under --strict; nothing to compare

Policy is data: `exit_code`, `retryable` (the same candidate may be tried again), `unasked` (it was met before anybody
was called), `ends_run` (every further call of an eval to this provider would fail in the same way), `unhealthy` (it
speaks against the place that was called, not against the request: the circuit breaker counts it), `lasting` (it will
not pass by itself: the breaker opens at once and for long) and `may_be_billed` (the far side may have done the work
though no reply came: a budget counts it as spent) are class attributes; nobody branches on the class itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

from routerctl.redaction import redacted

if TYPE_CHECKING:
    from routerctl.types import Decision, Usage


class RouterctlError(Exception):
    """The root; its text is the one line a user reads."""

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False
    unasked: ClassVar[bool] = False
    ends_run: ClassVar[bool] = False
    unhealthy: ClassVar[bool] = False
    lasting: ClassVar[bool] = False
    may_be_billed: bool = False  # of one error its class's word, unless the far side told more
    decision: Decision | None = None  # of an inquiry that was decided but not served: its hops say what was tried


class InputError(RouterctlError):
    """What the user wrote is wrong: says where, what was expected and the nearest right name.

    `more`: what else was found wrong on the same reading, for whom one thing at a time is too slow.
    """

    exit_code = 2

    def __init__(self, problem: str, *, file: str | None = None, line: int | None = None) -> None:
        """Keep the place apart from the problem so that editors can jump to it; `line` counts from 1."""
        self.problem, self.file, self.line = problem, file, line
        self.more: tuple[InputError, ...] = ()
        place = ":".join(str(part) for part in (file, line) if part is not None)
        super().__init__(f"{place}: {problem}" if place else problem)


class MergeConflict(InputError):
    """Git left both sides of a merge in a file; what can be made anew needs neither."""


class GateError(RouterctlError):
    """The check that guards a merge or a deploy says no."""

    exit_code = 3


class EveryRungFailed(RouterctlError):
    """No rung of the route gave a reply."""

    exit_code = 4


class StateDown(RouterctlError):
    """The state that processes share cannot be read or written; who needs it decides what that means."""

    exit_code = 5


class BudgetSpent(RouterctlError):
    """The spending limit was reached; what was paid for is kept."""

    exit_code = 6


class OverBudget(BudgetSpent):
    """A call does not fit into what is left of a budget; `cheap`: the candidates that may serve all the same.

    `is_unknown`: what is left cannot be seen, and the budget is fail_closed.
    """

    def __init__(self, problem: str, *, cheap: tuple[str, ...] = (), is_unknown: bool = False) -> None:
        self.cheap, self.is_unknown = cheap, is_unknown
        super().__init__(problem)


class Inconclusive(RouterctlError):
    """Too few cases to decide."""

    exit_code = 7


class ProviderError(RouterctlError):
    """The far side refused, failed or did not answer; `provider` names it, `status` is the HTTP status if any."""

    exit_code = 5

    def __init__(
        self,
        problem: str,
        *,
        provider: str = "",
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """`retry_after_s`: seconds the provider asked to wait, None where it did not say."""
        problem = redacted(problem)  # whoever raises it, a plug-in too
        self.problem, self.provider, self.status, self.retry_after_s = problem, provider, status, retry_after_s
        self.spent_s = 0.0  # how long the attempt took: where time is the price, it was paid for
        self.lost_s = 0.0  # likewise the attempts at the same call before it
        self.attempts = 0  # that reached the far side, this one included; the wire counts them
        self.usage: Usage | None = None  # what the attempt used, where the far side told it all the same
        self.cost_usd = Decimal(0)  # of all of them, as far as it is known: tokens that were told, time at its price
        self.hurried = False  # it ran out of time, of which the deadline had left it less than its own limit
        self.tokens_usd = Decimal(0)  # the part of it that is for tokens
        self.perhaps_usd = Decimal(0)  # beside it, at most: of those that may be billed for tokens that nobody told
        super().__init__(f"{provider}: {problem}" if provider else problem)

    @property
    def brief(self) -> str:
        """Name it without the far side's words, which may quote the prompt of another caller than who reads them."""
        return f"{type(self).__name__} (HTTP {self.status})" if self.status else type(self).__name__


class KeyMissing(ProviderError):
    """The environment variable that should hold the key is not set: nobody was called, so it is no place's fault."""

    exit_code = 2
    ends_run = True
    unasked = True


class KeyRefused(ProviderError):
    """The key is wrong or lacks a permission."""

    ends_run = True
    unhealthy = True
    lasting = True


class BillingProblem(ProviderError):
    """The account cannot pay for the call."""

    ends_run = True
    unhealthy = True
    lasting = True


class ModelNotFound(ProviderError):
    """The provider does not know the model, or has retired it; not a matter of health: the redirect must see it."""

    ends_run = True


class WrongAddress(ProviderError):
    """What answers at the base URL is not the API: every call there would end so."""

    ends_run = True
    unhealthy = True


class BadRequest(ProviderError):
    """The provider will never accept this request; another model may (a longer context, say)."""


class RateLimited(ProviderError):
    """Too many requests or tokens for the account's limits."""

    retryable = True
    unhealthy = True


class Overloaded(ProviderError):
    """The provider has no capacity right now."""

    retryable = True
    unhealthy = True


class ServerFault(ProviderError):
    """The provider failed on its own side."""

    retryable = True
    unhealthy = True


class TimedOut(ProviderError):
    """No complete answer within the time limit."""

    retryable = True
    unhealthy = True
    may_be_billed = True


class ConnectionFailed(ProviderError):
    """The connection was refused or broke."""

    retryable = True
    unhealthy = True


class Busy(ProviderError):
    """Every slot of the provider's `concurrency` was taken until the deadline, or none was left; nobody was called."""

    unasked = True


class BrokenReply(ProviderError):
    """The answer does not have the API's shape."""

    retryable = True
    unhealthy = True
    may_be_billed = True


def raise_all(found: Sequence[InputError]) -> None:
    """Raise the first of several errors, with the others in its `more`; do nothing where there is none.

    Raises: InputError.
    """
    if found:
        found[0].more = tuple(found[1:])
        raise found[0] from None


def close_to(word: str, words: Iterable[str], least: float = 0.6) -> str | None:
    """Give the word that a misspelt one is most like, at a ratio of at least `least`; None where it is like none."""
    import difflib  # only an error needs it

    return next(iter(difflib.get_close_matches(word, sorted(words), n=1, cutoff=least)), None)


def nearest(word: str, words: Iterable[str]) -> str:
    """End an error about an unknown name: the nearest right one, else all of them."""
    known = sorted(words)
    close = close_to(word, known)
    if close:
        return f"; did you mean {close!r}?"
    return f"; expected one of: {', '.join(known)}" if known else ""


def in_percent(got: float | str) -> str:
    """End an error about a share that is none: what it would be if it was given in percent; "" where it was not."""
    text = str(got).strip()
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        return ""
    least = 0 if text.endswith("%") else 2  # 1.5 is no percentage that anybody would mean
    return f"; did you mean {percent / 100:.10g}?" if least <= percent < 100 and percent else ""
