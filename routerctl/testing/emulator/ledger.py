"""What a vendor would bill: one entry a POST, and the sums that a caller's own books are compared with.

What was answered whole is billed whole, also where nobody waited for it to arrive; a stream that was cut or left is
billed its input and the output generated so far. An HTTP error, a scripted body and a failure before anything was
generated cost nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from routerctl.types import Usage

Prices = tuple[Decimal, Decimal, Decimal, Decimal]  # USD a million tokens: input, output, cache read, cache write
_MTOK = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What became of one POST; times are seconds of the monotonic clock."""

    id: int  # from 1, in order of arrival; the reply's own id ends with it
    wire: str  # "messages", "chat", "responses", "embeddings", "count_tokens"
    model: str  # which one answered
    stream: bool
    usage: Usage  # billed
    usd: Decimal | None  # None = nobody gave the model's price
    status: int  # of HTTP; 0 = none was sent
    complete: bool  # the whole answer was written, its terminal event included
    left_s: float | None  # when the client was seen to have left, before the answer was complete
    began_s: float
    ended_s: float


class Ledger(list[Entry]):
    """The entries in the order in which they ended."""

    def books(self) -> dict[str, Decimal]:
        """Sum up the USD of each model."""
        sums = defaultdict[str, Decimal](Decimal)
        for entry in self:
            if entry.usd is not None:
                sums[entry.model] += entry.usd
        return dict(sums)

    @property
    def usd(self) -> Decimal:
        """The USD of all models."""
        return sum(self.books().values(), Decimal(0))

    @property
    def usage(self) -> Usage:
        """All tokens billed."""
        return Usage(
            input_tokens=sum(entry.usage.input_tokens for entry in self),
            output_tokens=sum(entry.usage.output_tokens for entry in self),
            cache_read_tokens=sum(entry.usage.cache_read_tokens for entry in self),
            cache_write_tokens=sum(entry.usage.cache_write_tokens for entry in self),
        )


def price(usage: Usage, prices: Mapping[str, Prices], model: str) -> Decimal | None:
    """Give what tokens cost, exactly; None where nobody gave the model's price."""
    if model not in prices:
        return None
    asked, told, read, written = prices[model]
    fresh = usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens
    spent = fresh * asked + usage.output_tokens * told + usage.cache_read_tokens * read
    return (spent + usage.cache_write_tokens * written) / _MTOK
