"""A request to count tokens -> the provider's own count where it has one, otherwise an estimate on the high side.

No reply is generated and nothing is spent; which candidate would serve is decided without a call.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from routerctl.classify.decide import decide
from routerctl.errors import ProviderError
from routerctl.service.body import edited, most_input_tokens
from routerctl.service.problems import Refused
from routerctl.service.request import ClientRequest, candidate_named
from routerctl.types import Candidate, RawReply, RawRequest

if TYPE_CHECKING:
    from routerctl.routing.runtime import Opened
    from routerctl.service.worker import Worker

# Bytes of JSON per token, on the low side: prose has about four, code and other scripts three. A client that is told
# too few overruns the model's context; one that is told too many compacts its history a little early.
_BYTES_PER_TOKEN = 2.5
_PATIENCE_S = 10.0


async def count_tokens(worker: Worker, client_request: ClientRequest) -> tuple[bytes | int, str]:
    """Give the provider's own answer, or a number, and the candidate that would serve.

    Raises: InputError where none would; Refused where the key allows none that would.
    """
    router = worker.router
    opened = await router.runtime().router_for(router.tables, client_request.inquiry)
    candidate = _candidate(opened, client_request)
    raw = await _asked(opened, candidate, client_request)
    if raw is not None:
        return raw.body, candidate.name
    return math.ceil(most_input_tokens(client_request.raw) / _BYTES_PER_TOKEN), candidate.name


def _candidate(opened: Opened, client_request: ClientRequest) -> Candidate:
    """Give whom the request would go to first; raises Refused where its key allows nobody."""
    assigned, router = opened
    name, key = candidate_named(client_request, router.table), client_request.key
    decided = decide(router.table, client_request.inquiry, assigned.classifier)
    candidates = [router.table.candidates[one] for one in ([name] if name else decided.rungs)]
    if key is None:
        return candidates[0]
    problems = [key.problem("" if name else decided.task_class, one) for one in candidates]
    if "" not in problems:
        raise Refused(403, problems[-1], code="not_allowed")
    return candidates[problems.index("")]


async def _asked(opened: Opened, candidate: Candidate, client_request: ClientRequest) -> RawReply | None:
    """Ask the provider; None where it cannot count, or does not answer."""
    wire = opened[1].wire
    try:
        far = wire.forwarding(candidate.provider)
        if far is None or "count_tokens" not in far.wires:
            return None
        request = RawRequest(
            model=candidate.model,
            wire="count_tokens",
            body=edited(client_request.raw, client_request.body, {"model": candidate.model}),
            most_input_tokens=0,
            most_output_tokens=0,
            price=wire.pricer(candidate.provider, candidate.model),
            headers=client_request.headers,
            query=client_request.query,
        )
        reply = await wire.call(candidate.provider, request, until=opened[1].context.clock() + _PATIENCE_S)
    except ProviderError:
        return None
    return reply.raw
