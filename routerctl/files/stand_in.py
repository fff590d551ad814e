"""The type of a value that could not be read -> some value of it, so that reading goes on to what else is wrong."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any, cast


def stand_in(kind: Any) -> Any:
    """Give some value of a kind: a dataclass at its defaults, an empty mapping."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass(cast(type, kind))
    if origin in (typing.Union, types.UnionType):
        return None if type(None) in arguments else stand_in(arguments[0])
    if origin is typing.Literal:
        return arguments[0]
    if origin is tuple:
        return () if arguments[-1] is Ellipsis else tuple(map(stand_in, arguments))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    return {} if origin in (Mapping, dict) else None if kind is Any else kind()


def _dataclass(kind: type) -> Any:
    hints = typing.get_type_hints(kind)
    return kind(**{field.name: stand_in(hints[field.name]) for field in dataclasses.fields(kind) if is_required(field)})


def is_required(field: dataclasses.Field[Any]) -> bool:
    """Tell whether a field has no default."""
    return field.default is field.default_factory is dataclasses.MISSING
