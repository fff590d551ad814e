"""Both lines by the command line: eval -> build-table -> check, and route, on the fake provider and on the wire."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pytest

from routerctl import notices
from routerctl.classify.decide import decide
from routerctl.routing.decision_log.recorder import DecisionRecorder
from routerctl.table import load_table, table_text, with_digest
from routerctl.testing import emulator
from routerctl.testing.emulator import Body, Fault
from routerctl.types import Candidate, Decision, Inquiry, ProviderSpec
from tests.conftest import Done, Far, Project, clean_env, right_answer, sum_is_right, text_of

Run = Callable[..., Done]
ESCAPE = "\x1b]0;owned\x07\x1b[31mred\x1b[0m \x9b2J\u202eright to left"


def _decisions(root: Path) -> list[dict[str, object]]:
    with sqlite3.connect(root / ".routerctl/decisions.sqlite") as database:
        database.row_factory = sqlite3.Row
        rows = [dict(row) for row in database.execute("SELECT * FROM decisions ORDER BY at, rowid")]
    database.close()
    return rows


# --- the evaluation line ----------------------------------------------------------------------------------------------


def test_the_whole_line_on_the_fake_provider(project: Project, run: Run) -> None:
    """The cheapest candidate that reaches the bar is chosen, checked, and serves."""
    report = json.loads(run("eval", "--json").out)
    sums = report["classes"]["sums"]
    assert (sums["chosen"], sums["level"]) == ("large", "proven")
    assert [(item["candidate"], item["verdict"]) for item in sums["candidates"]] == [
        ("small", "below"),
        ("large", "proven"),
    ]
    built = json.loads(run("build-table", "--json").out)
    assert built["table_version"] == 1
    assert built["routes"]["sums"]["chosen"] == "large"
    assert run("check").out.splitlines()[-1] == "ok: routes.yaml: version 1 follows from its evidence"
    done = run("route", stdin="What is 1+1?\n")
    assert done.out == "I am model-large.\n"
    assert re.fullmatch(r"sums \(by rule plus\) -> large, [\d.]+ s, \$0\.0000\d+\.\n", done.err)
    (folder,) = (project.root / "reports").iterdir()
    assert (folder / "report.html").read_text().startswith("<!doctype html>")


def test_nothing_is_paid_twice_and_the_same_evidence_gives_the_same_bytes(project: Project, run: Run) -> None:
    """The second eval is free; a table built again, from either run, is the same to the byte."""
    first = json.loads(run("eval", "--json").out)
    assert run("build-table").err.splitlines()[-1].startswith("routes.yaml: version 1;")
    table = (project.root / "routes.yaml").read_bytes()
    again = run("build-table")
    assert again.err.splitlines()[-1].startswith("routes.yaml: unchanged;")
    assert (project.root / "routes.yaml").read_bytes() == table
    second = json.loads(run("eval", "--json").out)
    assert second["paid_calls"] == 0 < second["cached_calls"] <= first["paid_calls"]
    assert second["paid_usd"] == "0"
    assert second["classes"] == first["classes"]
    (project.root / "routes.yaml").unlink()
    assert run("build-table", "--run", first["run_id"]).code == 0
    assert (project.root / "routes.yaml").read_bytes() == table


def test_a_run_that_several_classes_rest_on_is_counted_once(project: Project, run: Run) -> None:
    """The report names a run and what it cost once, however many classes of the table rest on it."""
    project.eval_set("more", 60)
    project.replies({"model-small": 0.2, "model-large": 1.0}, ("sums", "more"))
    assert run("eval").code == 0
    (folder,) = (project.root / "reports").iterdir()
    alone = (folder / "report.html").read_text(encoding="utf-8")
    assert run("build-table").code == 0
    built = (folder / "report.html").read_text(encoding="utf-8")
    assert built.count("<dt>Run</dt>") == alone.count("<dt>Run</dt>") == 1
    paid = re.compile(r"paid for the evaluation</dt><dd>([^<]+)")
    assert paid.findall(built) == paid.findall(alone) != []


def test_a_table_edited_by_hand_is_made_anew(project: Project, run: Run) -> None:
    """`build-table` does what the error on an edited table advises: the table of the evidence comes back."""
    assert (run("eval").code, run("build-table").code) == (0, 0)
    path = project.root / "routes.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("risk: 0.05", "risk: 0.5"), encoding="utf-8")
    assert run("check").code == 2
    assert run("build-table").code == 0
    assert "table_version: 2" in path.read_text(encoding="utf-8")
    assert run("check").code == 0


def test_a_wanted_run_serves_its_classes_and_the_newest_the_others(project: Project, run: Run) -> None:
    """`--run` decides for the classes that the run has; every other class keeps its newest run."""
    project.eval_set("more", 60)
    project.replies({"model-small": 0.2, "model-large": 1.0}, ("sums", "more"))
    for only in (["--class", "sums"], ["--class", "more"], ["--class", "sums"]):
        assert run("eval", *only).code == 0
    first, second, third = sorted(path.name for path in (project.root / "reports").iterdir())
    assert run("build-table", "--run", first).code == 0
    text = (project.root / "routes.yaml").read_text(encoding="utf-8")
    assert (text.count(first), text.count(second), text.count(third)) == (1, 1, 0)


def test_no_cache_pays_again(project: Project, run: Run) -> None:
    """--no-cache neither reads nor keeps."""
    project.config["providers"]["fake"]["concurrency"] = 1  # else a few more or less are in flight at the verdict
    project.save()
    first = json.loads(run("eval", "--no-cache", "--json").out)
    second = json.loads(run("eval", "--no-cache", "--json").out)
    assert second["paid_calls"] == first["paid_calls"] > 0


@pytest.mark.parametrize(("right", "chosen"), [("model-small", "small"), ("model-large", "large"), ("", None)])
def test_the_whole_line_on_both_sdks(
    *, right: str, chosen: str | None, vendors: Project, far: Far, key: str, run: Run
) -> None:
    """Whoever is right is chosen, whichever SDK it is behind; where nobody is, the cheapest of the best, flagged."""
    far.answer = lambda body: right_answer(body) if "1+" not in text_of(body) or body["model"] == right else "wrong"
    report = json.loads(run("eval", "--json").out)
    assert report["paid_calls"] == far.emulator.posts
    assert float(report["paid_usd"]) > 0
    assert run("build-table").code == run("check").code == 0
    done = run("route", "--json", stdin="hello")
    served = json.loads(done.out)
    assert served["candidate"] == (chosen or "small")
    assert served["answer"] == f"I am model-{chosen or 'small'}."
    assert (", best available for this class, " in done.err) == (chosen is None)


def test_dry_run_calls_nobody(vendors: Project, far: Far, run: Run) -> None:
    """The estimate needs neither key nor call; a cached reply is free in it."""
    (small, large) = json.loads(run("eval", "--dry-run", "--json").out)
    assert (small["candidate"], small["at_most"]["calls"], small["cached_calls"]) == ("small", 60, 0)
    assert large["candidate"] == "large"
    assert 0 < float(small["likely"]["usd"]) < float(small["at_most"]["usd"])
    assert far.emulator.posts == 0
    assert "likely / at most" in run("eval", "--dry-run").err


def test_replies_that_were_asked_for_did_not_come_too_late(project: Project, run: Run) -> None:
    """Of a full run every reply was wanted; a sequential one says what came after a test had ended."""
    project.config["providers"]["fake"]["concurrency"] = 8
    project.save()
    assert "came after a test had ended" in run("eval").err
    assert "came after a test had ended" not in run("eval", "--full").err


def test_the_json_has_the_best_constant(project: Project, run: Run) -> None:
    """What the terminal says of the table's worth stands in the JSON of eval and build-table, the same in both."""
    said = json.loads(run("eval", "--json").out)["worth"]
    assert json.loads(run("build-table", "--json").out)["worth"] == said
    assert said["answer"] == "not worth it"
    assert {"one class"} <= {reason["kind"] for reason in said["reasons"] if reason["decides"]}
    best = said["best_constant"]
    assert (best["candidate"], best["passes"], best["classes"]) == ("large", 1, 1)
    assert float(best["usd_per_1000"]) == float(best["table_usd_per_1000"]) > 0
    narrowed = run("eval", "--candidate", "large", "--json")
    assert json.loads(narrowed.out)["worth"] is None


def test_only_and_candidates_narrow_a_run(project: Project, run: Run) -> None:
    """--class and --candidate do as they say."""
    project.eval_set("more", 30)
    project.replies({"model-small": 0.5, "model-large": 1.0}, names=("sums", "more"))
    report = json.loads(run("eval", "--class", "more", "--candidate", "large", "--json").out)
    assert list(report["classes"]) == ["more"]
    assert [item["candidate"] for item in report["classes"]["more"]["candidates"]] == ["large"]


def test_every_json_output_is_one_object_alone_on_stdout(project: Project, run: Run) -> None:
    """--json leaves stdout to the object, whatever is said on stderr."""
    for command in (["eval", "--dry-run"], ["eval"], ["build-table"], ["models"], ["route"], ["route", "--explain"]):
        done = run(*command, "--json", stdin="hi")
        assert done.code == 0
        json.loads(done.out)
        assert len(done.out.splitlines()) == 1


def test_the_end_of_a_model_is_past_or_to_come() -> None:
    """`models` says since when a model is retired, or when it will be; the day itself is past."""
    from routerctl.cli.output.models import _lifecycle

    model, end = "claude-opus-4-5-20251101", date(2027, 1, 22)
    asked, vendor = Candidate(name="a", provider="v", model=model), ProviderSpec(name="v", kind="anthropic")
    said = [_lifecycle(asked, vendor, end + timedelta(days=days)) for days in (-1, 0, 1)]
    assert said == [f"retires {end}", f"retired since {end}", f"retired since {end}"]
    assert _lifecycle(replace(asked, model="other"), vendor, end).startswith("no end known on 2026-")
    assert _lifecycle(asked, replace(vendor, kind="acme"), end) == "nobody lists ends here"


# --- the request line: failures ---------------------------------------------------------------------------------------

FAULTS = [
    (Fault(529), "Overloaded"),
    (Fault(500), "ServerFault"),
    (Fault(429), "RateLimited"),
    (Fault(401), "KeyRefused"),
    (Fault(404), "ModelNotFound"),
    (emulator.CUT, "ConnectionFailed"),
    (emulator.HANG_UP, "ConnectionFailed"),
    (emulator.NOT_JSON, "BrokenReply"),
    (emulator.SILENT, "TimedOut"),
]


@pytest.fixture
def ladder(vendors: Project, far: Far, key: str, run: Run) -> Project:
    """The vendors' project with a table in which `small` serves and `large` stands by; nobody has been asked."""
    for provider in vendors.config["providers"].values():
        provider["timeout_s"] = 1
    vendors.save()
    assert run("eval").code == run("build-table").code == 0
    far.emulator.posts = 0
    far.emulator.received.clear()
    return vendors


@pytest.mark.parametrize(("right", "words"), [(1.0, ""), (0.9, ", provisional for this class"), (0.0, None)])
def test_who_serves_unproven_is_named_so(*, right: float, words: str | None, project: Project, run: Run) -> None:
    """The reason says on what level the class is where it is not proven, and so do the log and --explain."""
    project.replies({"model-small": right, "model-large": right})
    assert run("eval").code == run("build-table").code == 0
    level = load_table(project.root / "routes.yaml").routes["sums"].level
    assert level == {1.0: "proven", 0.9: "provisional", 0.0: "best available"}[right]
    said = ", best available for this class" if words is None else words
    done = run("route", stdin="What is 1+1?")
    assert re.fullmatch(rf"sums \(by rule plus\) -> small{said}, [\d.]+ s, \$0\.0000\d+\.\n", done.err)
    assert [row["level"] for row in _decisions(project.root)] == [level]
    explained = json.loads(run("route", "--explain", "--json", stdin="What is 1+1?").out)
    assert explained["level"] == level
    assert f", {level}" in run("route", "--explain", stdin="What is 1+1?").out


def test_a_fallback_is_not_called_by_the_level_of_the_first(served: Project) -> None:
    """Where another rung serves, its own evidence counts: here none, as the first was enough."""
    path = served.root / "routes.yaml"
    table = load_table(path)
    route = table.routes["sums"]
    first = replace(route.evidence[0], candidate="small")
    changed = replace(route, chosen="small", rungs=("small", "large"), evidence=(first,), level="proven")
    path.write_text(table_text(with_digest(replace(table, routes={"sums": changed}))))
    served.write(
        "replies.json", json.dumps({"model-large": {"*": "here"}, "model-small": {"*": {"error": "Overloaded"}}})
    )
    done = served.run("route", stdin=b"What is 1+1?")
    assert done.out == "here\n"
    assert "-> large, after small at fake failed" in done.err
    assert ", not run for this class, " in done.err


def test_a_failed_rung_is_followed_by_the_next(ladder: Project, far: Far, run: Run) -> None:
    """The answer comes from the next rung, the reason on stderr names the failure, and the log has both hops."""
    for fault, name in FAULTS:
        for file in (ladder.root / ".routerctl").glob("state.sqlite*"):  # else the breaker spares the first rung
            file.unlink()
        far.emulator.play(fault)
        done = run("route", stdin="hello")
        assert (done.code, done.out) == (0, "I am model-large.\n"), fault
        assert f"-> large, after small at anthropic failed ({name})" in done.err
    assert far.emulator.posts == 2 * len(FAULTS)
    rows = _decisions(ladder.root)
    hops = [[hop["outcome"] for hop in json.loads(str(row["hops"]))] for row in rows]
    assert hops == [[name, "served"] for _, name in FAULTS]
    assert {row["served"] for row in rows} == {"large"}


def test_every_rung_failing_is_said_rung_by_rung(ladder: Project, far: Far, run: Run) -> None:
    """Exit 4, nothing on stdout, and the decision is logged without an answer."""
    far.emulator.play(Fault(529), emulator.HANG_UP)
    done = run("route", stdin="hello")
    assert (done.code, done.out) == (4, "")
    assert "small: anthropic: 529" in done.err
    assert "large: openai" in done.err
    (row,) = _decisions(ladder.root)
    assert row["served"] is None


def test_what_a_provider_quotes_of_a_prompt_is_kept_nowhere(ladder: Project, far: Far, run: Run) -> None:
    """Neither in the log nor in the shared state, where others would read it, nor in the hops of the next caller."""
    prompt = "my number is 078-05-1120"
    for status in (500, 400, 401):
        far.emulator.play(Fault(status, message=f"crashed on: {prompt}"))
        run("route", "--json", stdin=prompt)
    hops = json.loads(run("route", "--json", stdin="an innocent prompt").out)["hops"]
    assert re.match(r"shut for \d s after KeyRefused \(HTTP 401\); ", hops[0]["detail"])
    assert "078-05" not in run("health", "--json").out
    assert ladder.holds("078-05-1120") == []


def test_attempts_are_in_the_log(ladder: Project, far: Far, run: Run) -> None:
    """Those of a rung that failed, too."""
    ladder.config["providers"]["anthropic"]["max_attempts"] = 2
    ladder.save()
    assert run("eval").code == run("build-table").code == 0
    far.emulator.play(Fault(500), Fault(500))
    hops = json.loads(run("route", "--json", stdin="hello").out)["hops"]
    assert [(hop["outcome"], hop["attempts"]) for hop in hops] == [("ServerFault", 2), ("served", 1)]
    assert _decisions(ladder.root)[0]["attempts"] == 3


def test_one_prompt_that_fails_does_not_stop_the_others(ladder: Project, far: Far, run: Run) -> None:
    """Each line is on its own; the exit code says that not all were served."""
    far.answer = lambda body: "fine" if text_of(body) != "bad" else ""  # which is no answer
    done = run("route", "--lines", stdin="a\nbad\nc\n")
    assert (done.code, done.out) == (4, "fine\n\nfine\n")
    assert len(_decisions(ladder.root)) == 3


def test_explain_calls_nobody_and_needs_no_key(
    ladder: Project, far: Far, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would be decided, with the evidence of each rung; not logged, since nothing was decided."""
    monkeypatch.delenv("TEST_KEY")
    done = run("route", "--explain", stdin="What is 1+1?")
    assert done.out.splitlines()[:2] == ["rule plus: yes", "class: sums (by rule plus)"]
    assert done.out.splitlines()[2].startswith("rung 1: small (model-small), proven: ")
    assert done.out.splitlines()[3].startswith(
        "rung 2: large (model-large), not run for this class: an earlier rung serves"
    )
    assert json.loads(run("route", "--explain", "--json", stdin="x").out)["hops"] == []
    assert far.emulator.posts == 0
    assert not (ladder.root / ".routerctl/decisions.sqlite").exists()


def test_another_model_than_the_pinned_one_is_an_alarm(ladder: Project, far: Far, run: Run) -> None:
    """The answer is delivered, and stderr and --json say what was served in place of the pin."""

    def answer(body: Body) -> str:
        body["model"] = "model-cheaper"
        return "hi"

    far.answer = answer
    done = run("route", stdin="hello")
    assert done.out == "hi\n"
    words = "small is pinned to model-small, but the provider says it served model-cheaper"
    assert f"ALARM: {words}" in done.err
    assert json.loads(run("route", "--json", stdin="hello").out)["alarms"] == [words]


# --- the request line: prompts and answers ----------------------------------------------------------------------------


def test_answers_keep_the_order_of_the_prompts(served: Project) -> None:
    """Slow first replies hold back quick ones behind them; everything is asked side by side."""
    slow = {f"p{k}": {"text": f"a{k}", "latency_s": 0.4 if k < 3 else 0.0} for k in range(40)}
    served.write("replies.json", json.dumps({"*": slow}))
    prompts = "".join(f"p{k}\n" for k in range(40))
    done = served.run("route", "--lines", stdin=prompts.encode())
    assert done.out.split() == [f"a{k}" for k in range(40)]
    jsonl = "".join(json.dumps({"prompt": f"p{k}", "id": f"i{k}"}) + "\n" for k in range(40))
    done = served.run("route", "--jsonl", "--json", stdin=jsonl.encode())
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert [(item["id"], item["answer"]) for item in answers] == [(f"i{k}", f"a{k}") for k in range(40)]


def test_jsonl_carries_class_tenant_and_id(served: Project, run: Run) -> None:
    """What a line says of itself is in its answer and in the decision log; --json has every field."""
    line = json.dumps({"prompt": "hello", "class": "sums", "tenant": "acme", "id": "7"})
    answer = json.loads(run("-C", str(served.root), "route", "--jsonl", "--json", stdin=line + "\n").out)
    table = (served.root / "routes.yaml").read_text()
    assert all(answer.pop(name) >= 0 for name in ("latency_s", "decision_s", "total_s"))
    assert len(answer.pop("decision")) == 32
    assert answer.pop("table_digest") in table
    (hop,) = answer.pop("hops")
    assert (hop["candidate"], hop["served_model"], hop["outcome"]) == ("large", "model-large", "served")
    assert answer == {
        "id": "7",
        "tenant": "acme",
        "class": "sums",
        "decided_by": "caller",
        "rungs": ["large"],
        "scores": {},
        "known": None,
        "least_known": None,
        "propensity": 1.0,
        "arm": "",
        "unit": "",
        "table_version": 1,
        "level": "proven",
        "answer": "I am model-large.",
        "stop_reason": "end",
        "candidate": "large",
        "unfinished": "",
        "refused": False,
        "cost_usd": "0.000012",
        "perhaps_usd": "0",
        "alarms": [],
    }
    (row,) = _decisions(served.root)
    assert (row["tenant"], row["task_class"], row["cost_usd"]) == ("acme", "sums", "0.000012")


def test_lines_come_one_by_one_whatever_their_ends(served: Project) -> None:
    """CRLF, a missing last line break, blank lines, a long line: each line of input has one line of output."""
    long = "x" * 300_000
    served.write("replies.json", json.dumps({"*": {"a": "A\nB", "b\u00e9": "\u00e9", long: "long", "z": "last"}}))
    done = served.run("route", "--lines", stdin=f"a\r\n\n  \nb\u00e9\n{long}\nz".encode())
    assert done.code == 0
    assert done.out == "A B\n\n\n\u00e9\nlong\nlast\n"


def test_a_prompt_keeps_its_inner_line_breaks(served: Project) -> None:
    """Without --lines all of stdin is one prompt, less the line break that `echo` adds."""
    served.write("replies.json", json.dumps({"*": {"a\n\nb": "both"}}))
    assert served.run("route", stdin=b"a\n\nb\n").out == "both\n"


def test_a_pipe_gets_the_bytes_of_the_answer(served: Project) -> None:
    """What a model wrote is the pipe's to handle: not one byte is changed, in any locale; stderr is harmless."""
    served.write("replies.json", json.dumps({"*": {"*": ESCAPE}}))
    for env in ({}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}):
        done = served.run("route", stdin=b"hi", env=env)
        assert done.out == ESCAPE + "\n"
        assert "\x1b" not in done.err
    (line,) = served.run("route", "--json", stdin=b"hi").out.splitlines()
    assert json.loads(line)["answer"] == ESCAPE
    assert line.isascii()


def _on_terminal(project: Project, *arguments: str, stdin: bytes = b"hi", env: dict[str, str] | None = None) -> str:
    """What a terminal is sent on both streams."""
    ours, theirs = pty.openpty()
    process = project.start(*arguments, stdout=theirs, stderr=theirs, env={"TERM": "xterm-256color"} | (env or {}))
    os.close(theirs)
    assert process.stdin
    process.stdin.write(stdin)
    process.stdin.close()
    seen = b""
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:  # Linux says "input/output error" when the other side is closed
        pass
    assert process.wait(20) == 0
    os.close(ours)
    return seen.decode()


@pytest.mark.parametrize("more", [[], ["--lines"], ["--json"]], ids=" ".join)
def test_a_terminal_is_not_commanded_by_a_reply(more: list[str], served: Project) -> None:
    """No escape sequence, control or direction mark of a reply reaches the terminal."""
    served.write("replies.json", json.dumps({"*": {"*": ESCAPE + "\nsecond line"}}))
    seen = _on_terminal(served, "route", *more)
    assert "red" in seen
    assert "second line" in seen
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", seen.replace("\r\n", "\n"))


@pytest.mark.parametrize("variable", ["CI", "NO_COLOR"])
def test_ci_gets_plain_lines(variable: str, project: Project) -> None:
    """With CI=true, even on a terminal: a line a verdict, no colour, no moving bar."""
    seen = _on_terminal(project, "eval", env={variable: "true"})
    assert "\x1b" not in seen
    assert "- sums, small: Below the bar: " in seen
    assert "+ sums, large: Proven: " in seen


def test_a_terminal_sees_verdicts_and_a_bar(project: Project) -> None:
    """On a terminal the progress moves, and the verdicts stay."""
    seen = _on_terminal(project, "eval")
    assert "\x1b[" in seen
    assert "sums, large: Proven: " in seen


def test_half_a_surrogate_pair_in_a_reply_breaks_nothing(vendors: Project, far: Far, key: str, run: Run) -> None:
    """JSON can say what UTF-8 cannot: such a reply is scored, kept and served like any other."""
    assert run("eval").code == run("build-table").code == 0
    far.answer = lambda _body: "half \ud83d pair"
    done = run("route", stdin="hello")
    assert done.code == 0, done
    assert done.out.startswith("half ")
    assert json.loads(run("route", "--json", stdin="hello").out)["answer"].startswith("half ")
    report = json.loads(run("eval", "--no-cache", "--json").out)
    assert report["classes"]["sums"]["candidates"][0]["failed"] == 0
    report = json.loads(run("eval", "--full", "--ladder", "main", "--json").out)
    assert report["finished"] is True


# --- the decision log -------------------------------------------------------------------------------------------------


def test_the_decision_log_holds_no_prompt(served: Project, run: Run) -> None:
    """A row a decision, with a digest in place of the prompt: its text is nowhere in the bytes of the log."""
    prompt = "My secret diagnosis is gout, and 1+1?"
    for _ in range(2):
        assert run("-C", str(served.root), "route", stdin=prompt).code == 0
    first, second = _decisions(served.root)
    assert first["prompt_digest"] == second["prompt_digest"]
    assert str(first["prompt_digest"]).startswith("hmac-sha256:")
    assert (first["prompt_chars"], first["decided_by"], first["served"]) == (len(prompt), "rule plus", "large")
    assert first["id"] != second["id"]
    for path in (served.root / ".routerctl").glob("decisions*"):
        assert b"gout" not in path.read_bytes()
        assert b"I am model-large" not in path.read_bytes()


@pytest.mark.parametrize("blocked", ["a folder", "no database", "a file for a folder"])
def test_an_unwritable_decision_log_stops_no_answer(blocked: str, served: Project, run: Run) -> None:
    """The answers are delivered, and one warning says that decisions are not kept."""
    for path in (served.root / ".routerctl").iterdir():
        path.unlink()
    if blocked == "a folder":
        (served.root / ".routerctl/decisions.sqlite").mkdir()
    elif blocked == "no database":
        served.write(".routerctl/decisions.sqlite", "not a database, but long enough to be taken for one" * 20)
    else:
        (served.root / ".routerctl").rmdir()
        served.write(".routerctl", "")
    done = run("-C", str(served.root), "route", "--lines", stdin="a\nb\n")
    assert (done.code, done.out) == (0, "I am model-large.\n" * 2)
    assert done.err.count("warning: the decision log cannot be written") == 1


def test_a_locked_away_log_does_not_stop_an_answer_midway(served: Project) -> None:
    """A log that fails while it is written: the same."""
    assert served.run("route", stdin=b"a").code == 0
    with sqlite3.connect(served.root / ".routerctl/decisions.sqlite") as database:
        database.execute("DROP TABLE decisions")
        database.execute("CREATE TABLE decisions (something TEXT)")
    database.close()
    done = served.run("route", "--lines", stdin=b"a\nb\n")
    assert (done.code, done.out) == (0, "I am model-large.\n" * 2)
    assert done.err.count("warning: the decision log cannot be written") == 1


async def test_a_log_that_another_process_holds_is_waited_for_and_tried_again(
    served: Project, request: pytest.FixtureRequest
) -> None:
    """Others are served meanwhile; what is not kept is counted, and once the log is free it is written again."""
    path, table = served.root / ".routerctl/decisions.sqlite", load_table(served.root / "routes.yaml")
    path.unlink(missing_ok=True)
    asked, heard = Inquiry(prompt="hello"), list[tuple[str, str]]()
    request.addfinalizer(partial(notices.take, notices.take(lambda text, level: heard.append((text, level)))))

    def decision(number: int) -> Decision:
        return replace(decide(table, asked), id=str(number))

    with DecisionRecorder(path, table) as log, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(log.append(asked, decision(1), None))
        await asyncio.sleep(0.05)  # the loop is free
        other.execute("ROLLBACK")
        assert await waiting is not None
        assert heard == []
        other.execute("BEGIN IMMEDIATE")
        assert [await log.append(asked, decision(number), None) for number in (2, 3)] == [None, None]
        problem = "the decision log cannot be written, decisions are not kept: database is locked"
        assert heard == [(problem, "warning")]
        other.execute("ROLLBACK")
        assert await log.append(asked, decision(4), None) is not None
        assert heard[1:] == [("the decision log is written again; decisions that were not kept: 2", "info")]
    assert [row["id"] for row in _decisions(served.root)] == ["1", "4"]


def test_sums_are_right_as_often_as_the_scripts_say() -> None:
    """The helper that spreads right answers gives the share it promises."""
    assert [sum(sum_is_right(k, share) for k in range(60)) for share in (0.0, 0.5, 0.9, 1.0)] == [0, 30, 54, 60]
    assert "CI" not in clean_env(None)
