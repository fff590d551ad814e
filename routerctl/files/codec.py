"""Frozen dataclasses <-> plain values of YAML and JSON files, checked field by field against the type hints.

One mechanism for every file: the dataclass is the schema. A key of the file is the field's name, but `task_class` is
written `class`; a dataclass that starts with `name` or `task_class` and stands in a mapping takes that field from its
key; a field with `metadata={"rest": True}` takes all keys that no other field has; the keys of one with
`metadata={"inline": True}` stand beside its owner's; one with `metadata={"file": False}` is never in a file. It knows
types, not meanings.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from enum import Enum
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, TypeVar, cast

from routerctl.errors import close_to, nearest
from routerctl.files.document import Document, PathParts
from routerctl.files.stand_in import is_required, stand_in

T = TypeVar("T")
_KEYS = {"task_class": "class"}
_KEYED_BY = ("name", "task_class")
_PLAIN = frozenset((str, int, bool, float, type(None), Decimal))
_NONE = object()  # equals nothing else
_SURROGATE = re.compile("[\ud800-\udfff]")


# --- values -> dataclasses --------------------------------------------------------------------------------------------


def decode(kind: type[T], document: Document, path: PathParts = (), value: Any = dataclasses.MISSING) -> T:
    """Read a `kind` from the document's value at the root, or from `value` which stands at `path`.

    Raises: InputError with file, line, path and what was expected, unless the document notes its errors: then some
    value stands in for what could not be read.
    """
    data = document.value if value is dataclasses.MISSING else value
    return cast(T, _decode(kind, data, document, path))


@cache
def _fields(kind: type) -> tuple[tuple[str, str, Any, dataclasses.Field[Any]], ...]:
    hints = typing.get_type_hints(kind)
    return tuple(
        (_KEYS.get(field.name, field.name), field.name, hints[field.name], field)
        for field in dataclasses.fields(kind)
        if field.metadata.get("file", True)
    )


def _decode(kind: Any, data: Any, at: Document, path: PathParts) -> Any:
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(cast(type, kind), data, at, path)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return _plain(data, at, path)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(arguments, data, at, path)
    if origin is typing.Literal:
        return _one_of(data, arguments, at, path)
    if origin is tuple:
        return _decode_tuple(arguments, data, at, path)
    if origin in (Mapping, dict):
        return _decode_mapping(arguments[1], data, at, path)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(_one_of(data, [member.value for member in kind], at, path))
    return _decode_scalar(kind, data, at, path)


def _decode_dataclass(kind: type, data: Any, at: Document, path: PathParts) -> Any:
    if not isinstance(data, dict):
        return _instead(kind, at, path, f"expected a mapping, got {_shown(data)}")
    shape, values = _shape(kind, tuple(data)), {}
    for key in shape.unknown:
        at.cannot_read((*path, key), f"unknown key{nearest(key, _keys(kind))}")
    # A run has a hundred thousand results: what needs neither check nor change goes no further.
    for field, (key, value) in zip(shape.fields, data.items(), strict=True):
        if field is None:
            continue
        name, hint, quick = field
        way = quick.get(type(value), _slow)
        try:
            values[name] = value if way is None else way(value)
        except (ArithmeticError, LookupError):  # says what was expected, or knows another way
            values[name] = _decode(hint, value, at, (*path, key))
    plan, known = _plan(kind), _keys(kind)
    for name, hint in plan.inline:
        values[name] = _decode_dataclass(hint, {one: data[one] for one in _keys(hint) if one in data}, at, path)
    for key in shape.missing:
        if close_to(key, shape.unknown):  # it was misspelt, which is told
            at.unreadable((*path, key))
        else:
            at.cannot_read(path, f"{key!r} is missing", about=(*path, key))
        name, hint, _ = plan.fields[key]
        values[name] = stand_in(hint)
    if plan.rest:
        values[plan.rest] = _plain({key: value for key, value in data.items() if key not in known}, at, path)
    return kind(**values)


_Quick = Mapping[type, Callable[[Any], Any] | None]  # None: as it is


_Field = tuple[str, Any, _Quick]  # name, hint, how most values are read


class _Plan(typing.NamedTuple):
    """How a mapping becomes a dataclass."""

    fields: dict[str, _Field]  # by key
    inline: tuple[tuple[str, Any], ...]  # names and hints of fields whose keys stand beside the others
    required: tuple[str, ...]  # keys of fields without a default
    rest: str | None  # the field that takes all other keys


@cache
def _plan(kind: type) -> _Plan:
    fields, inline, required, rest = {}, [], [], None
    for key, name, hint, field in _fields(kind):
        if field.metadata.get("rest"):
            rest = name
        elif field.metadata.get("inline"):
            inline.append((name, hint))
        else:
            fields[key] = name, hint, _quick(hint)
            required += [key] if is_required(field) else []
    return _Plan(fields, tuple(inline), tuple(required), rest)


class _Shape(typing.NamedTuple):
    """What the keys of a mapping, in their order, mean to a dataclass."""

    fields: tuple[_Field | None, ...]  # None: the key is of an inlined field, or of the rest
    unknown: tuple[str, ...]
    missing: tuple[str, ...]


@lru_cache(maxsize=1024)  # a run's results have a handful of shapes
def _shape(kind: type, keys: tuple[str, ...]) -> _Shape:
    plan, known = _plan(kind), _keys(kind)
    return _Shape(
        fields=tuple(plan.fields.get(key) for key in keys),
        # Told before a missing one: a misspelt key is both, and its right name helps.
        unknown=() if plan.rest else tuple(key for key in keys if key not in known),
        missing=tuple(key for key in plan.required if key not in keys),
    )


def _instead(kind: Any, at: Document, path: PathParts, problem: str) -> Any:
    """Note what is wrong and give a value of the kind, so that reading goes on to what else is wrong.

    Raises: InputError unless errors are noted.
    """
    at.cannot_read(path, problem)
    return stand_in(kind)


@cache
def _keys(kind: type) -> frozenset[str]:
    """The keys that a mapping of this kind may have, those of inlined fields included."""
    plan = _plan(kind)
    return frozenset(plan.fields).union(*(_keys(hint) for _, hint in plan.inline))


def _quick(hint: Any) -> _Quick:
    """Give by type of value how most values of a field are read; the functions raise for the others."""
    ways: dict[type, Callable[[Any], Any] | None] = dict.fromkeys(_as_is(hint))
    kinds = [kind for kind in typing.get_args(hint) or (hint,) if kind is not type(None)]
    if kinds == [float]:
        ways[Decimal] = _float_of
    elif kinds == [Decimal]:
        ways[str] = _decimal_of
    elif len(kinds) == 1 and isinstance(kinds[0], type) and issubclass(kinds[0], Enum):
        ways[str] = {str(member.value): member for member in kinds[0]}.__getitem__
    if ways and len(kinds) < len(typing.get_args(hint)):
        ways[type(None)] = None
    return ways


def _slow(_value: Any) -> Any:
    raise LookupError


def _float_of(number: int | Decimal | float) -> float:
    found = float(number)
    if not math.isfinite(found):
        raise OverflowError
    return found


def _decimal_of(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite():
        raise ArithmeticError
    return number


def _as_is(hint: Any) -> frozenset[type]:
    """Give the types of values that a field takes as they are."""
    if hint is Any:
        return frozenset((str, int, bool, type(None)))
    if hint in (str, int, bool):
        return frozenset((hint,))
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = typing.get_args(hint)
        plain = _as_is(kinds[0]) if len(kinds) == 2 else frozenset()  # of several kinds the first that fits counts
        return plain | {type(None)} if kinds[-1] is type(None) else frozenset()
    return frozenset()


def _decode_union(arguments: tuple[Any, ...], data: Any, at: Document, path: PathParts) -> Any:
    if data is None and type(None) in arguments:
        return None
    kinds = [kind for kind in arguments if kind is not type(None)]
    if len(kinds) == 2 and dataclasses.is_dataclass(kinds[1]):  # a plain value, or a mapping that says more
        return _decode(kinds[isinstance(data, dict)], data, at, path)
    for kind in kinds[:-1]:
        if isinstance(data, list if typing.get_origin(kind) is tuple else str):
            return _decode(kind, data, at, path)
    if len(kinds) > 1 and not isinstance(data, list):
        return _instead(kinds[0], at, path, f"expected a text or a list, got {_shown(data)}")
    return _decode(kinds[-1], data, at, path)


def _decode_tuple(arguments: tuple[Any, ...], data: Any, at: Document, path: PathParts) -> tuple[Any, ...]:
    if not isinstance(data, list):
        keys = _plan(cast(type, arguments[0])).required if dataclasses.is_dataclass(arguments[0]) else ()
        entry = f" of - {{{', '.join(f'{key}: ...' for key in keys)}}}" if keys else ""
        return _no_tuple(arguments, at, path, f"expected a list{entry}, got {_shown(data)}")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        kinds = [arguments[0]] * len(data)
    elif len(arguments) == len(data):
        kinds = list(arguments)
    else:
        return _no_tuple(arguments, at, path, f"expected {len(arguments)} values, got {len(data)}")
    pairs = enumerate(zip(kinds, data, strict=True))
    return tuple(_decode(kind, item, at, (*path, place)) for place, (kind, item) in pairs)


def _no_tuple(arguments: tuple[Any, ...], at: Document, path: PathParts, problem: str) -> tuple[Any, ...]:
    at.cannot_read(path, problem)
    return () if arguments[-1] is Ellipsis else tuple(map(stand_in, arguments))


def _decode_mapping(kind: Any, data: Any, at: Document, path: PathParts) -> dict[str, Any]:
    if not isinstance(data, dict):
        return cast(dict[str, Any], _instead(dict, at, path, f"expected a mapping, got {_shown(data)}"))
    key_field = _key_field(kind)
    decoded = {}
    for key, value in data.items():
        item = value
        if key_field and isinstance(value, dict):
            if key_field in value:
                at.cannot_read((*path, key, key_field), f"leave it out: the key {key!r} says it")
            item = {**value, key_field: key}
        decoded[key] = _decode(kind, item, at, (*path, key))
    return decoded


def _key_field(kind: Any) -> str | None:
    if not dataclasses.is_dataclass(kind):
        return None
    first = dataclasses.fields(kind)[0].name
    return _KEYS.get(first, first) if first in _KEYED_BY else None


def _decode_scalar(kind: Any, data: Any, at: Document, path: PathParts) -> Any:
    number = isinstance(data, int | Decimal | float) and not isinstance(data, bool)
    if kind is str and isinstance(data, str):
        return data
    if kind is bool and isinstance(data, bool):
        return data
    if kind is int and isinstance(data, int) and not isinstance(data, bool):
        return data
    if kind is float and number:
        return _finite(data, at, path)
    if kind is Decimal and number and math.isfinite(data):
        return Decimal(str(data))
    if kind is Decimal and isinstance(data, str):  # JSON has no exact fractions: money is written as text there
        with contextlib.suppress(ArithmeticError):
            return _decimal_of(data)
    words = {str: "a text (quote it)", bool: "true or false", int: "a whole number"}
    return _instead(kind, at, path, f"expected {words.get(kind, 'a number')}, got {_shown(data)}")


def _finite(number: int | Decimal | float, at: Document, path: PathParts) -> float:
    try:
        return _float_of(number)
    except OverflowError:
        return float(_instead(float, at, path, "expected a finite number"))


def _one_of(data: Any, values: Iterable[Any], at: Document, path: PathParts) -> Any:
    known = list(values)
    if not any(type(data) is type(value) and data == value for value in known):
        at.cannot_read(path, f"{_shown(data)} is not known here{nearest(str(data), map(str, known))}")
        return known[0]
    return data


def _shown(data: Any) -> str:
    if data is None:
        return "nothing"
    if isinstance(data, dict | list):
        return "a mapping" if isinstance(data, dict) else "a list"
    text = str(data)
    return repr(text if len(text) <= 40 else text[:40] + "…") if isinstance(data, str) else text


def _plain(data: Any, at: Document, path: PathParts) -> Any:
    """Give free-form values (an input, an expected answer) as JSON has them: fractions are floats."""
    if isinstance(data, Decimal | float):
        return _finite(data, at, path)
    if isinstance(data, dict):
        return {key: _plain(value, at, (*path, key)) for key, value in data.items()}
    return [_plain(item, at, (*path, place)) for place, item in enumerate(data)] if isinstance(data, list) else data


# --- dataclasses -> values --------------------------------------------------------------------------------------------


def encode(value: Any, *, keep_defaults: bool = False) -> Any:
    """Turn dataclasses into plain values; fields at their default are left out unless `keep_defaults`."""
    if type(value) in _PLAIN:  # nearly every value is
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _encode_dataclass(value, keep_defaults)
    if isinstance(value, list | tuple):
        return [encode(item, keep_defaults=keep_defaults) for item in value]
    if isinstance(value, Mapping):
        return {key: _without_key(encode(item, keep_defaults=keep_defaults), item) for key, item in value.items()}
    if isinstance(value, Enum):
        return value._value_  # `.value` takes ten times as long
    return value


def _encode_dataclass(value: Any, keep_defaults: bool) -> dict[str, Any]:
    encoded: dict[str, Any] = {}
    fields, all_of = _defaults(value.__class__)
    for (key, default, beside), item in zip(fields, all_of(value), strict=True):
        if beside:
            encoded.update(encode(item, keep_defaults=keep_defaults and beside == "inline"))
        elif keep_defaults or item != default:
            encoded[key] = item if type(item) in _PLAIN else encode(item, keep_defaults=keep_defaults)
    return encoded


@cache
def _defaults(kind: type) -> tuple[tuple[tuple[str, Any, str], ...], Callable[[Any], Iterable[Any]]]:
    """Key, default (`_NONE`: none) and "inline" or "rest" for no key, of each field; and a getter of all."""
    found = []
    for key, _, _, field in _fields(kind):
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        beside = next((way for way in ("inline", "rest") if field.metadata.get(way)), "")
        found.append((key, _NONE if default is dataclasses.MISSING else default, beside))
    # One getter of all takes a third of the time that one a field would; of a single name it gives no tuple.
    names = [name for _, name, _, _ in _fields(kind)]
    return tuple(found), attrgetter(*names) if len(names) > 1 else lambda value: [getattr(value, one) for one in names]


def _without_key(encoded: Any, item: Any) -> Any:
    key = _key_field(type(item)) if dataclasses.is_dataclass(item) else None
    if key and isinstance(encoded, dict):
        encoded.pop(key, None)
    return encoded


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Turn encoded values into JSON that is readable and can always be written as UTF-8.

    A model may send half of a surrogate pair; in JSON it stands as its escape.
    """
    text = _encoder(indent).encode(value)
    return text if text.isascii() else _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


@cache
def _encoder(indent: int | None) -> json.JSONEncoder:
    return json.JSONEncoder(default=json_default, ensure_ascii=False, indent=indent)


def json_default(value: Any) -> Any:
    """Serve `json.dumps(default=)`: money as exact text.

    Raises: TypeError for anything else.
    """
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} cannot be written to a file")
