"""An error -> what the client is told: HTTP status, code, message, and whether it makes sense to try again.

In our own words only: a provider's message is in the log, and may quote another client's prompt. `translate.error_body`
writes the body in the API's format.
"""

from __future__ import annotations

import math
import traceback
from dataclasses import dataclass
from pathlib import PurePath

from routerctl import errors
from routerctl.notices import alarm
from routerctl.routing.hops import OVER_BUDGET, SKIPPED
from routerctl.routing.route import NoKeySet, NoPlaceAllowed
from routerctl.routing.state.opening import REST_S
from routerctl.service.forward import UNTRANSLATABLE, Forwarder
from routerctl.service.limits import LimitReached
from routerctl.service.request import Malformed, UnknownModel
from routerctl.types import Decision


class Refused(errors.RouterctlError):
    """A request that is refused: its sender may not make it, or the service cannot take it."""

    def __init__(self, status: int, problem: str, *, code: str, retry_after_s: float | None = None) -> None:
        self.status, self.code, self.retry_after_s = status, code, retry_after_s
        super().__init__(problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What a client is told about a failure."""

    status: int
    code: str
    message: str
    param: str | None = None
    retry_after_s: float | None = None
    may_retry: bool | None = None  # None: left to the client


# Error class -> (status, code); a provider's complaint about our own key is not the client's fault.
_BY_OUTCOME = {
    "RateLimited": (429, "rate_limit_exceeded"),
    "Overloaded": (529, "overloaded"),
    "TimedOut": (504, "timeout"),
    "Busy": (503, "busy"),
    "BadRequest": (400, "invalid_request"),
    "ModelNotFound": (502, "model_not_found_at_provider"),
    UNTRANSLATABLE: (400, "untranslatable"),
}
_ELSE = (502, "provider_failed")


def problem_of(error: BaseException, forwarder: Forwarder | None = None) -> Problem:
    """Give what the client is told about an error."""
    if isinstance(error, Refused):
        return Problem(status=error.status, code=error.code, message=str(error), retry_after_s=error.retry_after_s)
    if isinstance(error, LimitReached):
        message = f"{error}; try again in {math.ceil(error.retry_after_s)} s"
        status, code = (503, "limits_unknown") if error.what == "state" else (429, "rate_limit_exceeded")
        return Problem(status=status, code=code, message=message, retry_after_s=error.retry_after_s)
    if isinstance(error, errors.StateDown):
        message = "API keys cannot be looked up now"
        return Problem(status=503, code="state_down", message=message, retry_after_s=REST_S)
    if isinstance(error, UnknownModel):
        return Problem(status=404, code="model_not_found", message=str(error), param="model", may_retry=False)
    if isinstance(error, errors.BudgetSpent) and forwarder is not None and forwarder.is_budget_unknown:
        message = "what is left of a budget cannot be seen now"
        return Problem(status=503, code="budget_unknown", message=message, retry_after_s=REST_S)
    if isinstance(error, errors.BudgetSpent):
        return Problem(status=429, code="budget_spent", message=str(error), may_retry=False)
    if isinstance(error, errors.EveryRungFailed | NoKeySet | NoPlaceAllowed):
        return _of_hops(error, error.decision, forwarder)
    if isinstance(error, errors.InputError):
        param = error.param if isinstance(error, Malformed) else getattr(error, "param", None)
        return Problem(status=400, code="invalid_request", message=error.problem, param=param, may_retry=False)
    if isinstance(error, errors.ProviderError):
        status, code = _BY_OUTCOME.get(type(error).__name__, _ELSE)
        message = f"the reply broke off ({type(error).__name__})"
        return Problem(status=status, code=code, message=message, retry_after_s=error.retry_after_s)
    alarm(f"a request could not be served: {error}")
    return Problem(status=500, code="internal_error", message="an internal error of routerctl; its log says more")


def unexpected(error: Exception) -> errors.RouterctlError:
    """Make of a fault of our own an error that says what and where; its own words may quote a prompt."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{PurePath(last.filename).name}:{last.lineno}"
    return errors.RouterctlError(f"unexpected: {type(error).__name__} ({where})")


def _of_hops(error: errors.RouterctlError, decision: Decision | None, forwarder: Forwarder | None) -> Problem:
    """Give the problem of a request that no place served: that of the last place called, as all have been tried."""
    if isinstance(error, NoPlaceAllowed):
        return Problem(status=403, code="no_region_allowed", message=str(error), may_retry=False)
    asked = [hop for hop in decision.hops if hop.outcome not in (SKIPPED, OVER_BUDGET)] if decision else []
    outcome = asked[-1].outcome if asked else ""
    if forwarder is not None and forwarder.key_problem and not asked:
        return Problem(status=403, code="not_allowed", message=forwarder.key_problem, may_retry=False)
    if forwarder is not None and forwarder.untranslatable is not None and outcome == UNTRANSLATABLE:
        refusal = forwarder.untranslatable
        param = getattr(refusal, "param", None)
        return Problem(status=400, code="untranslatable", message=str(refusal), param=param, may_retry=False)
    status, code = _BY_OUTCOME.get(outcome, _ELSE)
    tried = ", ".join(f"{hop.candidate} ({hop.outcome})" for hop in asked) or "no place could be called"
    detail = f": {asked[-1].detail}" if outcome == "BadRequest" else ""
    return Problem(
        status=status,
        code=code,
        message=f"no model served this request{detail}; tried: {tried}",
        retry_after_s=forwarder.retry_after_s if forwarder else None,
        may_retry=False,
    )
