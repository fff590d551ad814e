"""Keys are taken out of everything that is written, whatever path they took to it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from routerctl import Router
from routerctl.errors import ServerFault
from routerctl.redaction import learn, redacted
from routerctl.scorers import score_reply
from routerctl.types import ScorerSpec
from tests.conftest import SECRET, Done, Far, Project

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # ibis 12 knows DuckDB 1
Run = Callable[..., Done]
OWN = "sk-proj/acme+OWN=KEY&1"
BROKEN = f"{SECRET[:9]}\n  {SECRET[9:]}"


def forms(key: str) -> list[str]:
    """Write a key in every way in which it is looked for."""
    coded = [base64.b64encode(b"=" * more + key.encode() + b"=" * more).decode() for more in range(3)]
    return [key, quote(key, safe=""), key.encode().hex(), key.encode().hex().upper(), *coded]


def parts(key: str) -> list[str]:
    """Give what must be met nowhere: of base64 the middle."""
    return [form[4:-4] for form in forms(key)]


@pytest.mark.parametrize("form", [*forms(SECRET), *forms(OWN), BROKEN, " ".join(SECRET)])
@pytest.mark.parametrize("around", ["{}", "KEY={}.", '{{"a": "{}"}}', "x" * 50_000 + "{}" + "y" * 50_000])
def test_a_key_is_taken_out(form: str, around: str) -> None:
    """As it is, encoded, or broken by blanks; the rest of the text stays."""
    learn([SECRET, OWN])
    text = redacted(around.format(form))
    assert form[4:-4] not in text
    assert "[key]" in text
    assert len(text) >= len(around.format("")) - 4


def test_words_are_no_keys() -> None:
    """A key for a server that wants none is often a word; an unset one is nothing."""
    learn(["none", "test", "", None, "  \n"])
    assert redacted("none of the tests, none") == "none of the tests, none"
    assert redacted("") == ""


@pytest.fixture
def leaking(vendors: Project, far: Far, key: str, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose models repeat the key in every way, the one of a tenant too; prompts are logged."""
    monkeypatch.setenv("ACME_KEY", OWN)
    far.answer = lambda _body: "\n".join(["your keys", *forms(key), BROKEN, *forms(OWN), "bye"])
    tenant = {"keys": {"anthropic": "ACME_KEY", "openai": "ACME_KEY"}}
    budgets = [{"name": "each", "cap_usd": 9, "period": "day", "per": "user"}]
    vendors.config["routing"] = {"log_prompts": True, "tenants": {"acme": tenant}, "budgets": budgets}
    vendors.save()
    assert key
    return vendors


def held(project: Project) -> list[tuple[str, str]]:
    """Name the files below a project that hold a key in any way, and in which."""
    wanted = [*parts(SECRET), *parts(OWN), BROKEN, json.dumps(BROKEN)[1:-1]]
    return [(file, form) for form in wanted for file in project.holds(form)]


def test_no_file_of_a_whole_line_holds_a_key(
    leaking: Project, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """eval, build-table, route with prompts logged, exports, drift, CI's outputs: bytes and terminal alike."""
    pytest.importorskip("pyarrow")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(leaking.root / "summary.md"))
    cases = [{"id": f"case-{k}", "input": f"sums: {SECRET} 1+{k}", "expected": OWN} for k in range(60)]
    leaking.eval_set("sums", 60, cases=cases)
    asked = json.dumps({"prompt": f"mine is {SECRET}", "user": "ann", "features": {"key": SECRET, "own": OWN}})
    commands: list[tuple[list[str], str]] = [
        (["eval", "--junit", "gate.xml"], ""),
        (["build-table"], ""),
        (["route", "--jsonl", "--json", "--class", "sums", "--tenant", "acme"], asked),
        (["route", "--jsonl", "--json", "--class", "sums"], asked),
        *((["log", "export", "-o", f"log.{form}"], "") for form in ("csv", "jsonl", "parquet")),
        (["log", "export", "--tenant", "acme", "-o", "acme.csv"], ""),
        (["log", "list", "--json"], ""),
        (["log", "tail"], ""),
        (["drift"], ""),
        (["budget", "--json"], ""),
        (["health"], ""),
        (["diff", "--exit-code"], ""),
        (["label", "--class", "sums", "-n", "3", "--export", "todo.csv"], ""),
    ]
    for command, stdin in commands:
        done = run(*command, stdin=stdin)
        assert done.code in (0, 2, 3, 5), (command, done.err)
        assert "unexpected" not in done.err
        found = [form for form in (*parts(SECRET), *parts(OWN), BROKEN) if form in done.out + done.err]
        assert not found, (command, done.out, done.err)
    wrong = {(file, form) for file, form in held(leaking) if not file.startswith("evals/")}
    assert not wrong
    for name in ("log.csv", "log.jsonl", "log.parquet", "gate.xml", ".routerctl/decisions.sqlite", "summary.md"):
        assert (leaking.root / name).stat().st_size > 0
    assert "[key]" in (leaking.root / "log.jsonl").read_text()


def test_what_a_child_says_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that puts a key together says it in vain."""
    learn([SECRET])
    halves = f"raise ValueError({SECRET[:9]!r} + {SECRET[9:]!r})"
    made = score_reply(ScorerSpec(name="python", params={}), halves, "pass")
    assert made.explanation.endswith("ValueError: [key]")
    found = score_reply(ScorerSpec(name="regex", params={"pattern": "(.*)"}), f"x{SECRET}", "y")
    assert SECRET not in str(found)


def test_a_program_gets_no_key(leaking: Project, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in an answer nor in the words of an error or a notice, also of keys that it hands in itself."""
    assert run("eval").code == run("build-table").code == 0
    handed = "sk-handed-to-the-router"
    with Router.open_sync(leaking.root / "routes.yaml", keys={"TEST_KEY": handed}) as router:
        routed = router.route(f"say {handed}", task_class="sums")
        assert handed not in repr(routed.answer)
        assert OWN not in routed.text
    assert str(ServerFault(f"crashed with {handed}", provider="plug-in")) == "plug-in: crashed with [key]"
    assert leaking.holds(handed) == []
    assert handed not in caplog.text
