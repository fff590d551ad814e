"""Small inquiries and conditions, such that the one often holds for the other; for properties of rules."""

from __future__ import annotations

from hypothesis import strategies as st

from routerctl.types import Condition, Inquiry

_PIECES = [
    *(
        "",
        " ",
        "a",
        "sum",
        "sums",
        "Order",
        "order number",
        "number",
        "ﬃ",
        "office",
        "straße",
        "STRASSE",
        "é",
        "e\u0301",
    ),
    *(
        "{}",
        "[1]",
        "{",
        "}",
        "```",
        ";",
        "\n",
        "\n}",
        "中文",
        "退款",
        "2026-11-25",
        "def f(x):",
        "\x00",
        "+",
        "  ",
        "'s",
        "\u2019s",
    ),
]
_WORDS = st.sampled_from(
    [
        *("a", "sum", "order", "order number", "number", "ffi", "office", "strasse", "é", "退款"),
        *("+", "+a", "a+", "order\n number", "a's", "a\u2019s", "'s", "款a"),
    ]
)
_NAMES = st.sampled_from(["x", "y"])
_KINDS = st.sampled_from(["pdf", "image"])
_VALUES = st.sampled_from([1, True, 1.0, 0, False, None, "1", [1, 2], {"a": 1}])
_SIZES = st.integers(0, 6)


def _some(items: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(items, min_size=1, max_size=2).map(tuple)


INQUIRIES = st.builds(
    Inquiry,
    prompt=st.lists(st.sampled_from(_PIECES), max_size=4).map("".join),
    tenant=st.none() | _NAMES,
    step=st.none() | _NAMES,
    features=st.dictionaries(_NAMES, _VALUES, max_size=2),
    attachments=st.lists(_KINDS, max_size=2).map(tuple),
)

_FIELDS: dict[str, st.SearchStrategy[object]] = {
    "min_chars": _SIZES,
    "max_chars": _SIZES,
    "min_words": _SIZES,
    "max_words": _SIZES,
    "keywords": _some(_WORDS),
    "regex": st.sampled_from(["a", r"\d", "^$", ""]),
    "is_json": st.booleans(),
    "has_code": st.booleans(),
    "tenant": _some(_NAMES),
    "step": _some(_NAMES),
    "features": st.dictionaries(_NAMES, _VALUES | st.lists(_VALUES, max_size=2), min_size=1, max_size=2),
    "attachments": _some(_KINDS),
    "has_attachment": st.booleans(),
}


def _conditions(nested: st.SearchStrategy[Condition] | None = None) -> st.SearchStrategy[Condition]:
    """Conditions that say up to three things."""
    fields = dict(_FIELDS)
    if nested is not None:
        parts = st.lists(nested, min_size=1, max_size=2).map(tuple)
        fields |= {"all_of": parts, "any_of": parts, "none_of": parts}
    names = st.lists(st.sampled_from(sorted(fields)), max_size=3, unique=True)
    return names.flatmap(lambda chosen: st.builds(Condition, **{name: fields[name] for name in chosen}))


CONDITIONS = st.recursive(_conditions(), _conditions, max_leaves=4)
