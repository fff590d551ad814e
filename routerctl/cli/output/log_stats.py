"""What `routerctl log stats` prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from routerctl.cli.output.log import log_path
from routerctl.cli.output.terminal import print_table
from routerctl.files.codec import json_default
from routerctl.routing.decision_log.reader import LogReader, Wanted
from routerctl.routing.decision_log.stats import ClassFigures, figures_of
from routerctl.words import count, percent, plain, seconds, usd

_MOST_SERVED = 3


def print_stats(wanted: Wanted, *, as_json: bool) -> None:
    """Print the figures of each class: what happened, then who decided and who served."""
    with LogReader(log_path(wanted.tenant)) as log:
        figures = figures_of(log, wanted)
    if as_json:
        found = {"classes": {one.task_class: _json(one) for one in figures}}
        sys.stdout.write(json.dumps(found, default=json_default) + "\n")
        return
    if not figures:
        sys.stdout.write("no such decision\n")
        return
    columns = ["class", "asked", "escal.", "fallb.", "failed", "refused", "/1,000", "p50", "p95", "rated"]
    print_table(columns, [_happened(one) for one in figures], right=columns[1:])
    sys.stdout.write("\n")
    print_table(["class", "named by", "served by", "level"], [_who(one) for one in figures])


def _happened(one: ClassFigures) -> list[str]:
    shares = (one.escalated, one.fell_back, one.failed, one.refused)
    return [
        one.task_class,
        count(one.decisions),
        *(percent(number / one.decisions) for number in shares),
        usd(1000 * one.cost_usd / one.decisions),
        *("" if wait is None else plain(seconds(wait)) for wait in (one.p50_s, one.p95_s)),
        "" if one.feedback is None else f"{one.feedback:.2f} ({one.rated})",
    ]


def _who(one: ClassFigures) -> list[str]:
    served = dict(list(one.served.items())[:_MOST_SERVED])
    rest = sum(one.served.values()) - sum(served.values())
    served |= {"others": rest} if rest else {}
    unpinned = f"; {percent(one.unpinned / one.decisions)} by another model than the pin" if one.unpinned else ""
    return [
        one.task_class,
        _shares(one.sources, one.decisions),
        _shares(served, one.decisions) + unpinned,
        _levels(one),
    ]


def _levels(one: ClassFigures) -> str:
    known = sum(one.levels.values())
    if len(one.levels) == 1:
        return next(iter(one.levels))
    return _shares(one.levels, known) if known else "not known"


def _shares(parts: Mapping[str, int], whole: int) -> str:
    return ", ".join(f"{name} {percent(number / whole)}" for name, number in parts.items()) or "nobody"


def _json(one: ClassFigures) -> dict[str, Any]:
    names = [name for name in ClassFigures.__dataclass_fields__ if name != "task_class"]
    values = {name: getattr(one, name) for name in names}
    return values | {"cost_per_1000_usd": (1000 * one.cost_usd / one.decisions).quantize(Decimal("1e-9"))}
