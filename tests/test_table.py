"""routes.yaml: it reads back as it was written, and an edited one is refused."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.errors import InputError
from routerctl.files.yaml import dump_yaml, parse_yaml
from routerctl.table import load_table, same_content, table_text, with_digest
from routerctl.types import (
    Candidate,
    Condition,
    Evidence,
    Example,
    Judgement,
    Price,
    PriceTier,
    PromptSpec,
    ProviderSpec,
    ReplySpec,
    Route,
    Rule,
    Sampling,
    ScorerSpec,
    Strategy,
    Table,
    Verdict,
)

EVIDENCE = Evidence(
    candidate="small",
    judgement=Judgement(
        verdict=Verdict.PROVEN,
        cases=20,
        passes=20,
        n=40,
        bar=0.8,
        alpha=0.05 / 3,
        interval=(0.8123, 1.0),
        good_enough=0.9321,
        least_cases=14,
        needed_cases=None,
    ),
    failed=0,
    unscored=0,
    refused=1,
    truncated=0,
    served_models=("m-2026-01-01",),
    cost_per_case_usd=Decimal("0.0000001"),
    cost_per_accepted_usd=Decimal("0.10"),
    latency_p50_s=0.25,
    latency_p95_s=1.0,
)
ROUTE = Route(
    task_class="sums",
    description="Add: two numbers # not a comment",
    bar=0.8,
    chosen="small",
    level="proven",
    rungs=("small", "large"),
    evidence=(EVIDENCE,),
    run_id="20261123-000000-aaaaaa",
    eval_set_digest="sha256:00",
    prompt=PromptSpec(
        system="no",
        template="Q: {{ input }}\n\n  \tindented\x1b\u2028é\U0001f600\n",
        examples=(Example(input={"b": 1, "a": [None, True, 0.5, "1e-3"]}, reply="null"),),
    ),
    reply=ReplySpec(json_schema={"type": "object", "properties": {"b": {}, "a": {}}}),
    scorer=ScorerSpec(name="number", params={"rel": 0.01}),
)
TABLE = with_digest(
    Table(
        table_version=3,
        digest="",
        ladder_name="main",
        ladder=("small", "large"),
        mode="proven",
        risk=0.05,
        margin=0.03,
        seed=1,
        rules=(Rule(name="short", task_class="sums", when=Condition(max_chars=9, keywords=("1", "yes"))),),
        default_class=None,
        providers={"far": ProviderSpec(name="far", kind="fake", timeout_s=30.0, usd_per_hour=Decimal("0.50"))},
        candidates={
            "small": Candidate(name="small", provider="far", model="m-2026-01-01", effort="low"),
            "large": Candidate(
                name="large",
                provider="far",
                model="007",
                strategy=Strategy(name="self_consistency", samples=3),
                sampling=Sampling(temperature=0.7),
            ),
        },
        prices={"small": Price(date="2026-11-23", source="x", input_mtok_usd=Decimal("3.00"))},
        routes={"sums": ROUTE},
    )
)
TEXT = table_text(TABLE)


def read(folder: Path, content: str | bytes) -> Table:
    """Read bytes as routes.yaml."""
    path = folder / "routes.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load_table(path)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values that hold no others."""
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [leaf for key, item in items for leaf in leaves(item, (*path, key))]
    return [path]


def test_bytes_and_table_are_one(tmp_path: Path) -> None:
    """The text reads back as the same table, which writes the same bytes; the first line says who made it."""
    assert read(tmp_path, TEXT) == TABLE
    assert table_text(read(tmp_path, TEXT)) == TEXT
    assert TEXT.startswith("# Made by `routerctl build-table`.")
    assert "\nschema_version: 2\n" in TEXT


def test_prices_with_tiers_and_without(tmp_path: Path) -> None:
    """A price is pinned with what longer prompts cost; a table from before that keeps its bytes and its digest."""
    tier = PriceTier(above_input_tokens=200_000, input_mtok_usd=Decimal(6), output_mtok_usd=Decimal("22.5"))
    older = replace(TABLE.prices["small"], source="genai-prices 0.2.3, tiered")
    for price in (older, replace(older, source="genai-prices 0.2.4", request_usd=Decimal("0.005"), tiers=(tier,))):
        table = with_digest(replace(TABLE, prices={"small": price}))
        assert read(tmp_path, table_text(table)).prices == {"small": price}
        assert table_text(read(tmp_path, table_text(table))) == table_text(table)
    assert "    tiers:\n    - above_input_tokens: 200000\n      input_mtok_usd: 6\n" in table_text(table)


def test_next_line_characters_survive(tmp_path: Path) -> None:
    """A template with U+0085 reads back as it was."""
    prompt = replace(ROUTE.prompt, template="a\x85b")
    table = with_digest(replace(TABLE, routes={"sums": replace(ROUTE, prompt=prompt)}))
    assert read(tmp_path, table_text(table)) == table


def test_other_line_ends_are_no_edit(tmp_path: Path) -> None:
    """A checkout that turns LF into CRLF, a byte-order mark and a comment change no value, so they are no edit."""
    assert read(tmp_path, "\ufeff" + TEXT.replace("\n", "\r\n") + "# reviewed\r\n") == TABLE


def test_every_value_is_under_the_digest(tmp_path: Path) -> None:
    """Whichever single value is edited by one character, or taken away, the table is refused."""
    content = parse_yaml(TEXT, "routes.yaml").value
    paths = leaves(content)
    assert len(paths) > 70
    for path in paths:
        for edited in _edits(content, path):
            with pytest.raises(InputError) as caught:
                read(tmp_path, dump_yaml(edited))
            assert str(caught.value).startswith("routes.yaml"), path


def _edits(content: Any, path: tuple[Any, ...]) -> list[Any]:
    """The content with one value edited, and with it taken away."""
    edited, shorter = (parse_yaml(dump_yaml(content), "copy").value for _ in range(2))
    holder, without = edited, shorter
    for key in path[:-1]:
        holder, without = holder[key], without[key]
    holder[path[-1]] = _edited(holder[path[-1]])
    del without[path[-1]]
    return [edited, shorter]


def _edited(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | Decimal):
        return (
            value + 1 if isinstance(value, int) else Decimal(str(value)[:-1] + ("1" if str(value)[-1] != "1" else "2"))
        )
    return value[:-1] + ("x" if value[-1:] != "x" else "y") if isinstance(value, str) else "x"


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, len(TEXT) - 1), new=st.characters(min_codepoint=32, max_codepoint=126) | st.just("\n"))
def test_one_character_changes_no_value_unseen(tmp_path_factory: pytest.TempPathFactory, place: int, new: str) -> None:
    """Whatever one character of the file is changed, the table is refused or still the same."""
    found, problem = TABLE, "routes.yaml"
    try:
        found = read(tmp_path_factory.getbasetemp(), TEXT[:place] + new + TEXT[place + 1 :])
    except InputError as error:
        problem = str(error)
    assert found == TABLE
    assert problem.startswith("routes.yaml")
    assert "\n" not in problem


def test_truncated(tmp_path: Path) -> None:
    """A file cut off at any line is refused, never served in part."""
    lines = TEXT.splitlines(keepends=True)
    for count in range(len(lines)):
        with pytest.raises(InputError):
            read(tmp_path, "".join(lines[:count]))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema_version: 2", "schema_version: 3", ":2: schema_version: 3 is newer than this routerctl knows (2)"),
        ("schema_version: 2", "schema_version: 1", ":2: written by an older routerctl; run `routerctl build-table`"),
        ("schema_version: 2\n", "", ":2: 'schema_version' is missing"),
        (
            "bar: 0.8\n    chosen",
            "bar: 0.7\n    chosen",
            ":4: the content does not match the digest: edited by hand, merged or",
        ),
        ("verdict: proven", "verdict: not proven", ":4: the content does not match the digest"),
        ("level: proven", "level: provisional", ":4: the content does not match the digest"),
        ("level: proven", "level: prven", "level: 'prven' is not known here; did you mean 'proven'?"),
        ("verdict: proven", "verdict: prven", "verdict: 'prven' is not known here; did you mean 'proven'?"),
        ("table_version: 3", "table_version: 4", ":4: the content does not match the digest"),
        ("\ndigest: sha256:", "\ndigest: sha512:", ":4: the content does not match the digest"),
        ("risk: 0.05", "risk: 0.05\nrisk: 0.5", ": duplicate key 'risk' (first on line "),
        ("risk: 0.05", "riks: 0.05", "riks: unknown key; did you mean 'risk'?"),
        ("          b: {}\n          a: {}\n", "          a: {}\n          b: {}\n", ":4: the content does not match"),
    ],
)
def test_edited_by_hand(tmp_path: Path, old: str, new: str, message: str) -> None:
    """An edit is refused in one line that says where, even one that only moves what a model sees."""
    assert TEXT.count(old) == 1
    with pytest.raises(InputError) as caught:
        read(tmp_path, TEXT.replace(old, new))
    assert str(caught.value).startswith("routes.yaml:")
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("content", [b"", b"\x00\x01", b"\xff\xfe", TEXT.encode("utf-16"), b"[]", b"{", b"a: &a [*a]"])
def test_not_a_table(tmp_path: Path, content: bytes) -> None:
    """A file that is something else is refused in one line."""
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith("routes.yaml")
    assert "\n" not in str(caught.value)


def test_no_table(tmp_path: Path) -> None:
    """Where there is none, the error names the command that makes it."""
    with pytest.raises(InputError, match=r"^routes\.yaml: no such file here; `routerctl build-table` writes it$"):
        load_table(tmp_path / "routes.yaml")


def test_without_verifying(tmp_path: Path) -> None:
    """An edited table can still be read by who wants to compare it."""
    path = tmp_path / "routes.yaml"
    path.write_text(TEXT.replace("table_version: 3", "table_version: 4"), encoding="utf-8")
    assert load_table(path, verify=False) == replace(TABLE, table_version=4)


def test_same_content() -> None:
    """Version and digest are not content; everything else is, the order of a schema's keys and true for 1 too."""
    assert same_content(TABLE, replace(TABLE, table_version=9, digest="x"))
    assert not same_content(TABLE, replace(TABLE, seed=2))
    turned = ReplySpec(json_schema={"properties": {"b": {}, "a": {}}, "type": "object"})
    assert turned == ROUTE.reply
    assert not same_content(TABLE, replace(TABLE, routes={"sums": replace(ROUTE, reply=turned)}))


def test_the_digest_is_of_everything_else() -> None:
    """The digest names its algorithm, does not count itself, and counts the version."""
    assert TABLE.digest.startswith("sha256:")
    assert with_digest(replace(TABLE, digest="anything")) == TABLE
    assert with_digest(replace(TABLE, table_version=4)).digest != TABLE.digest


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("provider: fake", "provider: fak", r":\d+: candidates\.(small|large)\.provider: no provider 'fak'"),
        ("chosen: large", "chosen: lrge", r":\d+: routes\.sums\.chosen: no candidate 'lrge'"),
        ("rungs:\n    - large\n", "rungs:\n    - lrge\n", r":\d+: routes\.sums\.rungs\.0: no candidate 'lrge'"),
        (
            "date: '2026-11-01'",
            "date: today",
            r":\d+: prices\.(small|large)\.date: expected a day like 2026-11-23, got 'today'",
        ),
    ],
)
def test_a_name_that_leads_nowhere_is_refused_with_its_line(
    old: str, new: str, where: str, built: Path, tmp_path: Path
) -> None:
    """Also where the digest was made right: who looks a candidate or a provider up finds it."""
    text = (built / "routes.yaml").read_text("utf-8")
    assert old in text
    (tmp_path / "routes.yaml").write_text(text[::-1].replace(old[::-1], new[::-1], 1)[::-1], "utf-8")
    table = with_digest(load_table(tmp_path / "routes.yaml", verify=False))
    (tmp_path / "routes.yaml").write_text(table_text(table), "utf-8")
    with pytest.raises(InputError, match=rf"^routes\.yaml{where}"):
        load_table(tmp_path / "routes.yaml")
