"""An application's JSON with a few fields changed is the same bytes but for these."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.service.body import Unwritable, edited, spans

NAMES = st.sampled_from(["model", "max_tokens", "stream", "metadata", 'a"model', "mod", "é", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=8) | st.just("model"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
BLANKS = st.sampled_from(["", " ", "\n  ", "\t", "\r\n"])


def written(data: st.DataObject, body: dict[str, Any]) -> bytes:
    """JSON with blanks anywhere, and names and values escaped or not."""

    def blank() -> str:
        return data.draw(BLANKS)

    fields = []
    for name, value in body.items():
        key = json.dumps(name, ensure_ascii=data.draw(st.booleans()))
        if data.draw(st.integers(0, 3)) == 0:
            key = key.replace("m", "\\u006d")
        shown = json.dumps(value, ensure_ascii=data.draw(st.booleans()), indent=data.draw(st.sampled_from([None, 1])))
        fields.append(f"{blank()}{key}{blank()}:{blank()}{shown}{blank()}")
    return f"{blank()}{{{blank() if not fields else ''}{','.join(fields)}}}{blank()}".encode()


@settings(max_examples=500, deadline=None)
@given(data=st.data(), body=st.dictionaries(NAMES, VALUES, max_size=6))
def test_only_the_fields_that_are_named_change(data: st.DataObject, body: dict[str, Any]) -> None:
    """What is read back is as expected, in the same order; every other field is byte for byte what it was."""
    some = st.sampled_from(["model", "max_tokens", "stream", "metadata", "new"])
    fields = data.draw(st.dictionaries(some, st.none() | st.text(st.characters(codec="utf-8"), max_size=5), max_size=5))
    raw = written(data, body)
    made = edited(raw, body, fields)
    kept = {
        name: fields.get(name, value) for name, value in body.items() if name not in fields or fields[name] is not None
    }
    expected = kept | {name: value for name, value in fields.items() if value is not None}
    assert list(json.loads(made).items()) == list(expected.items())
    before, after = (
        {name: text[begin:end] for name, begin, _, end in spans(text)} for text in (raw.decode(), made.decode())
    )
    assert [before[name] == after[name] for name in body if name not in fields].count(False) == 0


@pytest.mark.parametrize(
    "raw",
    [b'{"model":"a","model":"b"}', b'{"model":"a","mod\\u0065l":"b"}', b'{"x":1,"m\\u006fdel":"a","model":"b"}'],
)
def test_a_field_that_stands_in_it_twice_is_refused(raw: bytes) -> None:
    """However its name is spelt: two readers may take two values."""
    with pytest.raises(Unwritable, match="model: appears twice in the body"):
        edited(raw, json.loads(raw), {"model": "c"})


def test_a_field_of_the_same_name_further_in_is_left() -> None:
    """Even where the outer one's name is spelt with an escape: the place asked for is the one that is paid for."""
    raw = b'{"metadata":{"model":"x"},"mod\\u0065l":"large"}'
    assert json.loads(edited(raw, json.loads(raw), {"model": "small"})) == {
        "metadata": {"model": "x"},
        "model": "small",
    }
