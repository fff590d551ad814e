"""`routerctl keys`: made, listed and revoked; the secret alone on stdout, and nowhere else."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from routerctl.errors import InputError
from routerctl.routing.state import STATE_FILE
from routerctl.routing.state.sqlite import SqliteStore
from routerctl.service.key_admin import expiry
from routerctl.service.keys import KEYS, document_of, has_keys, key_of_document
from routerctl.table import load_table, table_text, with_digest
from routerctl.types import Tenant, Tier
from tests.conftest import Project

pytestmark = pytest.mark.usefixtures("in_process")

NOW = datetime(2026, 12, 1, 12, 30, tzinfo=UTC)


def _keys(served: Project) -> list[dict[str, Any]]:
    done = served.run("keys", "list", "--json")
    assert (done.code, done.err) == (0, "")
    found: list[dict[str, Any]] = json.loads(done.out)
    return found


def _with_tenants(served: Project) -> None:
    """Let two tenants be known, one of them served by a table of its own, without the class `sums`."""
    table = load_table(served.root / "routes.yaml")
    other = {"others": replace(table.routes["sums"], task_class="others")}
    gold = with_digest(replace(table, routes=other, rules=(), default_class="others"))
    served.write("gold.yaml", table_text(gold))
    tenants = {"acme": Tenant(name="acme"), "rich": Tenant(name="rich", tier="gold")}
    tiers = {"gold": Tier(name="gold", table="gold.yaml")}
    routing = replace(table.routing, tenants=tenants, tiers=tiers)
    served.write("routes.yaml", table_text(with_digest(replace(table, routing=routing))))


def test_the_secret_stands_alone_on_stdout(served: Project) -> None:
    """So that a shell can take it; what the key allows is said on stderr, and no file has the secret."""
    done = served.run("keys", "create", "app")
    assert done.code == 0
    secret = done.out.removesuffix("\n")
    assert (secret[:3], len(secret), secret.split()) == ("rk_", 46, [secret])
    assert secret not in done.err
    assert "key app (key_" in done.err
    assert "everything; its secret is not shown again" in done.err
    assert served.holds(secret) == []
    assert secret not in served.run("keys", "list").out + served.run("keys", "list", "--json").out
    store = SqliteStore(served.root / STATE_FILE)
    assert has_keys(store)
    store.close()


def test_what_was_asked_for_is_what_the_key_has(served: Project) -> None:
    """Every option is a field of the key, as JSON and in the list."""
    options = ["--tenant", "acme", "--class", "sums", "--model", "small", "--model", "model-large"]
    limits = ["--requests-per-minute", "6000", "--tokens-per-minute", "90000", "--concurrency", "1"]
    done = served.run("keys", "create", "app", *options, *limits, "--expires", "2099-01-31", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    wanted = {
        "name": "app",
        "tenant": "acme",
        "classes": ["sums"],
        "models": ["small", "model-large"],
        "requests_per_minute": 6000,
        "tokens_per_minute": 90000,
        "concurrency": 1,
        "expires_at": "2099-02-01T00:00:00+00:00",
        "revoked_at": None,
        "state": "live",
    }
    assert wanted.items() <= told.items()
    assert told.pop("secret").startswith("rk_")
    assert _keys(served) == [told]
    shown = served.run("keys", "list").out
    assert max(map(len, shown.splitlines())) <= 80
    words = " ".join(" ".join(line.split("live", 1)[-1].split()) for line in shown.splitlines())
    for part in ("tenant acme", "class sums only", "6,000 requests a", "1 request at once", "until 2099-02-01"):
        assert part in words


def test_a_revoked_key_stays_listed_and_its_name_is_free(served: Project) -> None:
    """By name or by id; what has ended is not ended again, and another one may be called so."""
    served.run("keys", "create", "app")
    assert served.run("keys", "create", "app").last == (
        "routerctl: there is already a key 'app'; revoke it first, or choose another name, such as app-2"
    )
    done = served.run("keys", "revoke", "app")
    assert (done.code, done.out) == (0, "")
    assert "is revoked; every process refuses it within 2 s" in done.err
    assert (again := served.run("keys", "revoke", "app")).code == 2
    assert again.last == "routerctl: the key 'app' is already revoked"
    assert served.run("keys", "create", "app").code == 0
    first, second = _keys(served)
    assert [one["state"] for one in (first, second)] == ["revoked", "live"]
    assert served.run("keys", "revoke", second["id"]).code == 0
    assert [one["state"] for one in _keys(served)] == ["revoked", "revoked"]


def test_an_expired_key_is_shown_as_such(served: Project) -> None:
    """It needs no revoking, and its name is free."""
    served.run("keys", "create", "app", "--expires", "1h")
    store = SqliteStore(served.root / STATE_FILE)
    ((name, document),) = store.scan(KEYS).items()
    ended = replace(key_of_document(document), expires_at=datetime(2026, 1, 1, tzinfo=UTC))
    store.update([name], lambda _: ({name: document_of(ended)}, None))
    store.close()
    assert [one["state"] for one in _keys(served)] == ["expired"]
    assert served.run("keys", "revoke", "app").last == "routerctl: the key 'app' is already expired"
    assert served.run("keys", "create", "app").code == 0


def test_two_keys_of_one_name_are_told_apart(served: Project) -> None:
    """Two people made them at the same moment: neither is revoked by chance."""
    served.run("keys", "create", "app")
    store = SqliteStore(served.root / STATE_FILE)
    ((_, document),) = store.scan(KEYS).items()
    store.update(["keys/other"], lambda _: ({"keys/other": document | {"id": "key_other"}}, None))
    store.close()
    done = served.run("keys", "revoke", "app")
    assert done.code == 2
    assert "several keys are named 'app'; give an id instead: " in done.last
    assert served.run("keys", "revoke", "key_other").code == 0
    assert served.run("keys", "revoke", "app").code == 0


def test_without_keys_it_is_said_how_one_is_made(served: Project) -> None:
    """On stderr: the list itself is empty."""
    done = served.run("keys", "list")
    assert (done.out, done.last) == ("", "there are no API keys; create one with `routerctl keys create NAME`")
    assert _keys(served) == []
    assert served.run("keys", "revoke", "app").last == "routerctl: no key 'app'; there are no keys"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["app", "--class", "sum"], "--class: no class 'sum'; did you mean 'sums'?"),
        (["app", "--model", "smal"], "--model: no candidate or pinned model id 'smal'; did you mean 'small'?"),
        (["app", "--model", "gpt"], "--model: no candidate or pinned model id 'gpt'; expected one of: large, model-"),
        (["app", "--tenant", "acne"], "--tenant: no tenant 'acne'; did you mean 'acme'?"),
        (["app", "--tenant", "rich", "--class", "sums"], "--class: no class 'sums'; expected one of: others"),
        (["a b"], "a key's name is up to 64 letters, digits, '.', '_' and '-', and does not begin with 'key_'; got"),
        (["key_1"], "a key's name is up to 64 letters"),
        (["app", "--expires", "2020-01-31"], "--expires: 2020-01-31 is in the past"),
        (["app", "--expires", "soon"], "--expires: expected 12h, 90d, 4w or a last day like 2027-01-31, got 'soon'"),
    ],
    ids=str,
)
def test_what_cannot_be_is_one_line_and_makes_no_key(served: Project, options: list[str], problem: str) -> None:
    """With the nearest right name, of the table that serves the key's tenant."""
    _with_tenants(served)
    done = served.run("keys", "create", *options)
    assert (done.code, done.out) == (2, "")
    assert done.last.startswith(f"routerctl: {problem}")
    assert _keys(served) == []


@pytest.mark.parametrize(
    "options", [["--requests-per-minute", "0"], ["--concurrency", "-1"], ["--tokens-per-minute", "x"]]
)
def test_a_limit_is_a_number_from_one(served: Project, options: list[str]) -> None:
    """A key that may do nothing is none."""
    done = served.run("keys", "create", "app", *options)
    assert (done.code, done.out) == (2, "")
    assert options[0] in done.last


def test_a_key_that_is_not_there_is_named_by_the_nearest(served: Project) -> None:
    """Revoking does nothing then."""
    served.run("keys", "create", "app")
    done = served.run("keys", "revoke", "ap")
    assert (done.code, done.last) == (2, "routerctl: no key 'ap'; did you mean 'app'?")
    assert [one["state"] for one in _keys(served)] == ["live"]


def test_keys_are_those_of_the_tables_project(served: Project, tmp_path: Path) -> None:
    """A table elsewhere has its keys beside it."""
    table = str(served.root / "routes.yaml")
    elsewhere = Project(tmp_path / "elsewhere")
    elsewhere.root.mkdir()
    assert elsewhere.run("keys", "create", "app", "--table", table).code == 0
    assert [one["name"] for one in _keys(served)] == ["app"]
    assert list(elsewhere.root.iterdir()) == []


def test_a_state_that_is_down_is_said(served: Project) -> None:
    """No secret is printed of a key that could not be kept."""
    served.write(STATE_FILE, "no database at all" * 100)
    for command in (["create", "app"], ["list"], ["revoke", "app"]):
        done = served.run("keys", *command)
        assert (done.code, done.out) == (5, "")
        assert "file is not a database; move it away" in done.last


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("12h", NOW + timedelta(hours=12)),
        ("90d", NOW + timedelta(days=90)),
        ("4w", NOW + timedelta(weeks=4)),
        ("2026-12-01", datetime(2026, 12, 2, tzinfo=UTC)),
        ("2027-01-31", datetime(2027, 2, 1, tzinfo=UTC)),
    ],
)
def test_when_a_key_ends(text: str, moment: datetime) -> None:
    """So long from now, or with the end of a day."""
    assert expiry(text, NOW) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0d",
        "-1d",
        "90",
        "90 d",
        "1y",
        "999999w",
        "2027-02-30",
        "9999-12-31",
        "2027-1-1",
        "2027-01-31\n",
        "2026-11-30",
    ],
)
def test_what_is_no_end(text: str) -> None:
    """Nothing that no calendar has, and nothing that is over."""
    with pytest.raises(InputError, match="--expires"):
        expiry(text, NOW)
