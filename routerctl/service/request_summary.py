"""One request that has ended, in figures: the one record that metrics, spans and the access log are written from.

Plain values, without a word of the prompt or the reply.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from routerctl.types import Usage


@dataclass(slots=True, kw_only=True)  # a frozen one takes three times as long to make, once a request
class RequestSummary:
    """How one request went, written once; a text is "" where there is nothing to say."""

    wire: str  # the API: chat, responses, messages, count_tokens or embeddings; "": there is no such path
    method: str = "POST"
    path: str  # without its query, which may hold a key
    stream: bool = False
    status: int  # the HTTP status that was sent; 0: the client left before any
    request_id: str = ""  # the decision's id
    tenant: str = ""
    key_id: str = ""  # never the key
    model: str = ""  # as the client named it
    task_class: str = ""
    candidate: str = ""  # that served
    served_model: str = ""  # as the provider named it
    provider: str = ""  # that served, by its name in the table
    decided_by: str = ""  # a rule's name included
    overhead_s: float  # spent in routerctl; the time spent waiting for providers is not in it
    first_token_s: float | None = None  # until the first content; None: no stream, or none came
    total_s: float
    usage: Usage | None = None  # None: no model was called
    cost_usd: Decimal = Decimal(0)
    hops: int = 0
    fallbacks: tuple[str, ...] = ()  # why each further place was tried: the error's class name, or "not confident"
    cancelled: bool = False  # the client left before the end
    estimated: bool = False  # the provider did not report all tokens
    error: str = ""  # the code that the client was given

    @property
    def source(self) -> str:
        """What named the class: rule, classifier, default or caller; "model" where the request named a candidate."""
        return self.decided_by.partition(" ")[0]
