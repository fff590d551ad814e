"""The YAML that we read and write: strict, exact, and the same to every reader."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from routerctl.errors import InputError, MergeConflict
from routerctl.files.yaml import conflict_of, dump_yaml, parse_json_lines, parse_yaml, resolve_plain

ROOT = Path(__file__).parents[1]
OURS = [path for end in ("yaml", "yml") for path in ROOT.rglob(f"*.{end}") if ".venv" not in path.parts]
FENCED = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in sorted(ROOT.glob("*.md"))
    for number, block in enumerate(
        re.findall(r"^```yaml\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    )
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals(-(10**9), 10**9, places=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", Decimal("0.001")),
        ("0.10", Decimal("0.10")),
        (".5", Decimal("0.5")),
        ("-3", -3),
        ("007", "007"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("True", "True"),
        ("null", None),
        ("~", None),
        ("2026-11-23", "2026-11-23"),
        ("1:30", "1:30"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        (".", "."),
        ("e5", "e5"),
        ("E5", "E5"),
        ("1.", Decimal(1)),
        (".inf", ".inf"),
    ],
)
def test_plain_scalars(text: str, value: object) -> None:
    """Unquoted scalars follow YAML 1.2's core schema, with exact fractions."""
    assert resolve_plain(text) == value
    assert type(resolve_plain(text)) is type(value)


def test_lines_are_kept() -> None:
    """Each value knows its line, and a missing one the line of what is around it."""
    document = parse_yaml("a: 1\nb:\n  - x\n  - c: 2\n", "f.yaml")
    assert document.value == {"a": 1, "b": ["x", {"c": 2}]}
    assert document.line(("b", 1, "c")) == 4
    assert document.line(("b", 1, "d")) == 4
    assert str(document.error(("b", 0), "wrong")) == "f.yaml:3: b.0: wrong"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3: duplicate key 'a' (first on line 1)"),
        ("a: [1\n", "f.yaml:2: not YAML"),
        ("a: !!python/object:os.system x\n", "f.yaml:1: the tag"),
        ("a: &a [*a]\n", "f.yaml:1: nested in itself"),
        ("? [1]\n: 2\n", "f.yaml:1: a key must be text"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: not YAML"),
        ("b: 1\na: \x00\n", "f.yaml:2: not YAML"),
    ],
)
def test_yaml_errors_point_at_the_line(text: str, said: str) -> None:
    """What is not strict YAML is refused with its file and line."""
    with pytest.raises(InputError) as caught:
        parse_yaml(text, "f.yaml")
    assert str(caught.value).startswith(said)


def test_aliases_of_aliases_are_bounded() -> None:
    """The `billion laughs` text is refused instead of filling the memory."""
    layers = ["l0: &l0 {a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8}"]
    for layer in range(1, 9):
        items = ", ".join(f"{name}: *l{layer - 1}" for name in "abcdefgh")
        layers.append(f"l{layer}: &l{layer} {{{items}}}")
    with pytest.raises(InputError, match="too many values"):
        parse_yaml("\n".join(layers), "f.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1}\n{"a": 1, "a": 2}', "f.jsonl:2: duplicate key 'a'"),
        ('{"a": NaN}', "f.jsonl:1: NaN is not JSON"),
        ("\n\n{", "f.jsonl:3: not JSON"),
        ("[" * 100_000, "f.jsonl:1: nested too deeply"),
    ],
)
def test_json_errors_point_at_the_line(text: str, said: str) -> None:
    """What is not strict JSON is refused with its file and line."""
    with pytest.raises(InputError) as caught:
        parse_json_lines(text, "f.jsonl")
    assert str(caught.value).startswith(said)


@given(VALUES)
def test_dumped_values_read_back_unchanged(value: object) -> None:
    """What is written is read back with equal values and types."""
    text = dump_yaml({"value": value})
    assert parse_yaml(text, "f.yaml").value == {"value": value}


@pytest.mark.parametrize("text", ["a\u202etxt.exe", "\u2066x", "zero\u200bwidth", "tail\ufeff", "\x9b31m", "a\u2028b"])
def test_what_does_not_show_is_escaped(text: str) -> None:
    """A reviewer sees every character of a lock file: one that hides or turns text is written as its number."""
    written = dump_yaml({"value": text, text: 1})
    assert written.replace("\n", "").isprintable()
    assert parse_yaml(written, "f.yaml").value == {"value": text, text: 1}
    assert "naïve\xa0: 例" in dump_yaml(["naïve\xa0: 例"])  # what does show stays as it is


@pytest.mark.parametrize(
    "text", ["no", "1e-3", "1.0", "null", "", "a: b", "# c", "x\ny\n", "  lead", "trail ", "'", '"', "-", "é\u2028"]
)
def test_awkward_texts_stay_texts(text: str) -> None:
    """A text that looks like something else is quoted."""
    assert parse_yaml(dump_yaml([text]), "f.yaml").value == [text]


@given(VALUES)
def test_any_reader_reads_what_is_written(value: object) -> None:
    """PyYAML's own reader, of YAML 1.1 and without libyaml, finds the same texts, keys and whole numbers."""
    found = yaml.safe_load(dump_yaml({"value": value}))
    assert found == {"value": _as_floats(value)}


def _as_floats(value: object) -> object:
    """The values as a reader without exact numbers has them."""
    if isinstance(value, dict):
        return {key: _as_floats(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_floats(inner) for inner in value]
    return float(value) if isinstance(value, Decimal) else value


@pytest.mark.parametrize(
    "text",
    ["no", "yes", "on", "Off", "2026-11-30", "12:30", "0x1F", "0o17", "017", "1_000", "=", "<<", ".inf", "1e5000"],
)
def test_what_another_reader_takes_for_something_else_is_quoted(text: str) -> None:
    """A label `no` is no false, a day no date and a time no number, whoever reads the file."""
    assert dump_yaml([text]) == f"- '{text}'\n"


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_any_reader_reads_our_files(path: Path) -> None:
    """Every YAML file of ours is read by a parser that does not forgive what libyaml does."""
    assert all(one is not None for one in yaml.safe_load_all(path.read_text("utf-8")))  # a manifest holds several


@pytest.mark.parametrize("block", FENCED)
def test_any_reader_reads_the_blocks_of_our_pages(block: str) -> None:
    """Every YAML block of the documentation is read by such a parser too."""
    assert yaml.safe_load(block) is not None


BOTH = "<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> other branch\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\n" + BOTH.format("b: 2", "b: 3") + "c: 4\n", "f.yaml:2: merge conflict up to line 6: "),
        ("a: 1\r\n" + BOTH.format("b: 2", "b: 3").replace("\n", "\r\n"), "f.yaml:2: merge conflict up to line 6: "),
        ('{"a": 1,\n' + BOTH.format('"b": 2', '"b": 3') + "}\n", "f.yaml:2: merge conflict up to line 6: "),
        (BOTH.format("a: 1\n||||||| base\na: 0", "a: 2"), "f.yaml:1: merge conflict up to line 7: "),
        (BOTH.format("", ""), "f.yaml:1: merge conflict up to line 5: "),
    ],
)
def test_a_merge_conflict_is_called_one(text: str, line: str) -> None:
    """Also where what stands there could be read: in a flow mapping a marker passes for a part of a key."""
    with pytest.raises(MergeConflict) as caught:
        parse_yaml(text, "f.yaml")
    assert str(caught.value).startswith(line)


def test_a_conflict_between_lines_of_json_is_called_one() -> None:
    """It is looked for only where a line is no JSON: a text of a reply may hold the markers."""
    with pytest.raises(MergeConflict, match=r"^f\.jsonl:2: merge conflict up to line 6"):
        parse_json_lines('{"a": 1}\n' + BOTH.format('{"a": 2}', '{"a": 3}'), "f.jsonl")
    assert parse_json_lines('{"a": "<<<<<<< HEAD\\n=======\\n>>>>>>> x"}', "f.jsonl")[0].value["a"].count("\n") == 2


@pytest.mark.parametrize(
    "text",
    [
        "cases:\n  - |\n    " + BOTH.format("a", "b").replace("\n", "\n    "),
        "a: <<<<<<<\n",
        "'=======': 1\n'>>>>>>>': 2\n",
    ],
)
def test_what_only_speaks_of_conflicts_is_none(text: str) -> None:
    """A case about merging holds the markers inside a text; half of the markers are none."""
    assert conflict_of(text, "f.yaml") is None
    parse_yaml(text, "f.yaml")
