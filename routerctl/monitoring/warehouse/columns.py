"""A table of any engine -> one with the log's columns and kinds, or an error that names the column.

What a column means is said in `decision_log/columns.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from routerctl.errors import InputError, nearest

if TYPE_CHECKING:
    import ibis.expr.datatypes as dt
    import ibis.expr.types as ir

# Columns that are read, and the kind of each. A column that is not asked for is not read: Parquet and most engines
# store by column.
KINDS: Mapping[str, str] = {
    "at": "moment",  # a timestamp, or the log's own text, which sorts by time
    "tenant": "text",
    "task_class": "text",
    "source": "text",
    "propensity": "real",
    "arm": "text",
    "table_digest": "text",
    "chosen": "text",
    "served": "text",
    "pinned_model": "text",
    "served_model": "text",
    "refused": "whole",
    "fallbacks": "whole",
    "escalations": "whole",
    "redirects": "whole",
    "hedges": "whole",
    "cost_nano_usd": "whole",  # what is known of it, and what calls whose tokens nobody told may have cost
    "latency_s": "real",
    "feedback": "real",  # the latest; NULL = none
}
# Read where it is there: an older export has no units, and its decisions count as if each were of another user.
LATER_KINDS: Mapping[str, str] = {"unit": "text"}
# Read into `cost_nano_usd` where it is there: what calls whose tokens nobody told may have cost is part of the cost.
PERHAPS = "perhaps_nano_usd"
# Only where prompts were kept; a log without them can be counted all the same.
TEXT_KINDS: Mapping[str, str] = {"step": "text", "prompt": "text", "features": "text", "attachments": "text"}
_WORDS = {"text": "text", "real": "a number", "whole": "a whole number", "moment": "a timestamp or ISO 8601 text"}
_TYPES = {"text": "string", "real": "float64", "whole": "int64"}


def as_decisions(table: ir.Table, shown: str) -> ir.Table:
    """Give a table as one of decisions: the columns of `KINDS`, and those of the other two that it has.

    Raises: InputError for a column that is missing or of another kind.
    """
    schema = table.schema()
    chosen = {}
    for name, kind in KINDS.items():
        if name not in schema:
            raise InputError(f"no column {name!r}{nearest(name, schema.names)}", file=shown)
        if not _fits(schema[name], kind):
            raise InputError(f"column {name!r}: expected {_WORDS[kind]}, it is {schema[name]}", file=shown)
        chosen[name] = _typed(table[name], kind)
    if PERHAPS in schema and _fits(schema[PERHAPS], "whole"):
        chosen["cost_nano_usd"] += _typed(table[PERHAPS], "whole").fill_null(0)
    chosen |= {name: table[name] for name in (*LATER_KINDS, *TEXT_KINDS) if name in schema and schema[name].is_string()}
    return table.select(**chosen)


def _typed(column: ir.Column, kind: str) -> ir.Column:
    """One kind for all engines; a number that is none, or infinite, is not known."""
    import ibis

    if kind == "moment":
        return column
    typed = column.cast(_TYPES[kind])
    # Not by comparison: DuckDB drops one that a Parquet file's statistics promise, and these leave NaN out.
    return (typed.isnan() | typed.isinf()).ifelse(ibis.null("float64"), typed) if kind == "real" else typed


def _fits(dtype: dt.DataType, kind: str) -> bool:
    if kind == "text":
        return bool(dtype.is_string() or dtype.is_null())
    if kind == "moment":
        return bool(dtype.is_timestamp() or dtype.is_string())
    if kind == "whole":
        return bool(dtype.is_integer() or dtype.is_boolean() or _is_whole_decimal(dtype))
    return bool(dtype.is_numeric() or dtype.is_null())


def _is_whole_decimal(dtype: dt.DataType) -> bool:
    """Some engines know no integers but decimals without a fraction."""
    return bool(dtype.is_decimal() and getattr(dtype, "scale", None) == 0)
