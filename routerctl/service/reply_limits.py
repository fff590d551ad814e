"""What a request says of the length and the price of its reply -> what is sent and held for it.

Pure; beside `forward`, which writes the request.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from routerctl.types import Json, RawWire

# The fields that limit a reply, the one that is set first.
_LIMITS: Mapping[RawWire, tuple[str, ...]] = {
    "chat": ("max_completion_tokens", "max_tokens"),
    "responses": ("max_output_tokens",),
    "messages": ("max_tokens",),
}
_DIGITS = 10  # of a number in quotes, at most


def overruled(wire: RawWire, body: Mapping[str, Json], additions: Mapping[str, Json]) -> tuple[str, ...]:
    """Name the fields by which a call would have another price than the table's.

    Raises: Untranslatable for another region than the place's, which rules on residency go by.
    """
    region = additions.get("inference_geo")
    if region is not None and body.get("inference_geo") not in (None, region):
        from routerctl.service.translate import Untranslatable

        raise Untranslatable(f"inference_geo: this place answers in {region!r}", param="inference_geo")
    own = [name for name in ("service_tier", "inference_geo") if name in additions and name in body]
    differs = [name for name in own if body[name] != additions[name]]
    return (*differs, *(("speed",) if wire == "messages" and body.get("speed") not in (None, "standard") else ()))


def stated_limit(wire: RawWire, body: Mapping[str, Json]) -> int:
    """Give the limit in tokens that a body sets to a reply; 0 = none. Of two the greater: either may count."""
    return max((_number(body.get(name)) for name in _LIMITS.get(wire, ())), default=0)


def bounds(wire: RawWire, body: Mapping[str, Json], limit: int) -> dict[str, Json]:
    """Give the fields that let no reply be longer than what is reserved for it.

    null, -1 and the like are no limit to some servers.
    """
    fields: dict[str, Json] = {name: None for name in _LIMITS.get(wire, ()) if not _number(body.get(name))}
    if wire in _LIMITS and not stated_limit(wire, body):
        fields[_LIMITS[wire][0]] = limit
    return fields


def choices(wire: RawWire, body: Mapping[str, Json]) -> int:
    """Give how many replies a body asks for."""
    return (wire == "chat" and _number(body.get("n"))) or 1


def _number(value: Json) -> int:
    """Read a number of tokens or choices as leniently as any server does; 0 for what is none."""
    if value is None or type(value) is int:  # nearly always
        return value if value and value > 0 else 0
    if isinstance(value, str) and value.isdecimal() and len(value) < _DIGITS:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value < math.inf:
        return 0
    return math.ceil(value)
