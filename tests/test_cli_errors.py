"""What a user may get wrong, and what may go wrong around one: an exit code and one clear line, never a traceback."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from routerctl.testing.emulator import CUT, Fault
from tests.conftest import SECRET, Done, Far, Project, without_rights

Run = Callable[..., Done]


def one_line(done: Done, code: int, *parts: str) -> None:
    """The command ended with this code and one line on stderr that holds these parts."""
    assert done.code == code, done
    assert done.last.startswith("routerctl: "), done.err
    for part in parts:
        assert part in done.last, done.err


# --- the command line itself ------------------------------------------------------------------------------------------

USAGE = [
    (["evl"], ["No such command 'evl'", "'eval'"]),
    (["models", "pul"], ["No such command 'pul'"]),
    (["eval", "--max-cost", "3"], ["No such option: --max-cost", "--max-cost-usd"]),
    (["eval", "--max-cost-usd", "much"], ["--max-cost-usd", "2.50", "'much'"]),
    (["eval", "--max-cost-usd", "-1"], ["--max-cost-usd", "from 0"]),
    (["eval", "--max-cost-usd", "nan"], ["--max-cost-usd", "from 0"]),
    (["eval", "--class", "sum"], ["no task class 'sum'", "did you mean 'sums'?"]),
    (["eval", "--ladder", "man"], ["no ladder 'man'", "did you mean 'main'?"]),
    (["eval", "--candidate", "smal"], ["no candidate 'smal'", "did you mean 'small'?"]),
    (["eval", "extra"], ["unexpected extra argument"]),
    (["build-table"], ["evals/sums.yaml", "no finished run", "eval --class sums"]),
    (["build-table", "--run", "20260101-000000-abcdef"], ["no run '20260101-000000-abcdef'"]),
    (["-C", "nowhere", "check"], ["nowhere", "No such file or directory"]),
    (["-C", "routerctl.yaml", "check"], ["routerctl.yaml", "Not a directory"]),
    (["init"], ["routerctl.yaml: already exists"]),
    (["route"], ["routes.yaml", "build-table"]),
    (["route", "--lines", "--jsonl"], ["exclude each other"]),
]


@pytest.mark.parametrize(("arguments", "parts"), USAGE, ids=lambda value: " ".join(value) if value else "")
def test_what_is_typed_wrongly_is_named(arguments: list[str], parts: list[str], run: Run) -> None:
    """A wrong command, option or name: exit 2, with the nearest right one where there is one."""
    one_line(run(*arguments, stdin="hi"), 2, *parts)


# --- the files --------------------------------------------------------------------------------------------------------


def _set(*path: str | int, to: Any) -> Callable[[Project], None]:
    def change(project: Project) -> None:
        inner: Any = project.config
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]] = to
        project.save()

    return change


def _write(name: str, content: str | bytes) -> Callable[[Project], None]:
    def write(project: Project) -> None:
        project.write(name, content)

    return write


def _alias(project: Project) -> None:
    project.config["providers"]["claude"] = {"kind": "anthropic"}
    project.config["candidates"]["small"] = {"provider": "claude", "model": "claude-sonnet-4-5"}
    project.save()


SUMS = "{schema_version: 1, description: d, bar: %s, scorer: {name: exact}, cases: %s}"
CASE = '{id: a, input: "1+1", expected: "2"}'
FILES = [
    (
        "duplicate YAML key",
        _write("routerctl.yaml", "ladder: a\nladder: b\n"),
        ["routerctl.yaml:2", "'ladder'", "line 1"],
    ),
    ("not YAML", _write("routerctl.yaml", "a: [1\n"), ["routerctl.yaml:", "not YAML"]),
    ("not UTF-8", _write("routerctl.yaml", b"a: \xff\n"), ["routerctl.yaml:1", "not UTF-8"]),
    ("future project", _set("schema_version", to=9), ["routerctl.yaml:2", "newer than this routerctl knows"]),
    ("unknown key", _set("laddder", to={}), ["routerctl.yaml:", "laddder", "did you mean 'ladder"]),
    ("no price", _set("prices", to=[]), ["no price is known for model 'model-small'", "usd_per_hour"]),
    ("alias", _alias, ["'claude-sonnet-4-5' is an alias", "'claude-sonnet-4-5-20250929'"]),
    ("no eval set", lambda project: (project.root / "evals/sums.yaml").unlink(), ["evals/", "routerctl init"]),
    ("no case", _write("evals/sums.yaml", SUMS % (0.9, "[]")), ["evals/sums.yaml:1", "the eval set is empty"]),
    ("two ids", _write("evals/sums.yaml", SUMS % (0.9, f"[\n{CASE},\n{CASE}]")), ["sums.yaml:3", "'a'", "line 2"]),
    ("bar 0", _write("evals/sums.yaml", SUMS % (0, f"[{CASE}]")), ["evals/sums.yaml:1", "bar: expected a pass rate"]),
    ("bar 1.5", _write("evals/sums.yaml", SUMS % (1.5, f"[{CASE}]")), ["evals/sums.yaml:1", "got 1.5"]),
    (
        "bar as text",
        _write("evals/sums.yaml", SUMS % ("high", f"[{CASE}]")),
        ["evals/sums.yaml:1", "bar: expected a number"],
    ),
    ("no script", lambda project: (project.root / "replies.json").unlink(), ["replies.json"]),
]


@pytest.mark.parametrize(("change", "parts"), [row[1:] for row in FILES], ids=[row[0] for row in FILES])
def test_what_is_written_wrongly_is_named_with_its_place(
    change: Callable[[Project], None], parts: list[str], project: Project, run: Run
) -> None:
    """A fault in a file of the project: exit 2, file and line, before anything is paid for."""
    change(project)
    one_line(run("eval"), 2, *parts)


def _built(run: Run, project: Project) -> str:
    assert run("eval").code == run("build-table").code == 0
    return (project.root / "routes.yaml").read_text()


def _as_before(text: str) -> str:
    """Give a table as the first schema had it."""
    return text.replace("schema_version: 2", "schema_version: 1").replace("level: proven", "passing: true")


TABLES: list[tuple[str, Callable[[str], str | bytes], list[str]]] = [
    ("corrupt", lambda _: "{]", ["routes.yaml:1", "not YAML"]),
    ("empty", lambda _: "", ["routes.yaml", "expected a mapping"]),
    ("not text", lambda text: text.encode().replace(b"sums", b"\xffums", 1), ["routes.yaml:", "not UTF-8"]),
    ("truncated", lambda text: text[: len(text) // 2], ["routes.yaml"]),
    ("cut at a line", lambda text: "\n".join(text.splitlines()[:-3]), ["routes.yaml"]),
    ("edited", lambda text: text.replace("bar: 0.8", "bar: 0.7", 1), ["routes.yaml:", "does not match the digest"]),
    (
        "future",
        lambda text: text.replace("schema_version: 2", "schema_version: 3"),
        ["newer than this routerctl knows"],
    ),
    ("older", _as_before, ["routes.yaml:2: written by an older routerctl; run `routerctl build-"]),
]


@pytest.mark.parametrize(("damage", "parts"), [row[1:] for row in TABLES], ids=[row[0] for row in TABLES])
def test_a_damaged_table_is_refused(
    damage: Callable[[str], str | bytes], parts: list[str], project: Project, run: Run
) -> None:
    """A routes.yaml that is not what build-table wrote serves nobody, whatever the command."""
    project.write("routes.yaml", damage(_built(run, project)))
    one_line(run("route", stdin="hi"), 2, *parts)
    one_line(run("route", "--explain", stdin="hi"), 2, *parts)
    assert run("check").code == 2


def test_a_table_of_an_older_routerctl_is_made_anew(project: Project, run: Run) -> None:
    """Every reader of the table says in one line what to do, and what it says helps: the next version is written."""
    project.write("routes.yaml", _as_before(_built(run, project)).replace("table_version: 1", "table_version: 6"))
    for command in (["check"], ["diff", "routes.yaml"], ["eval", "--baseline", "routes.yaml"], ["health"]):
        one_line(run(*command), 2, "routes.yaml:2: written by an older routerctl; run `routerctl build-table`")
    done = run("build-table")
    assert done.code == 0
    assert done.last.startswith("routes.yaml: version 7; report: ")
    assert run("check").out.splitlines()[-1] == "ok: routes.yaml: version 7 follows from its evidence"


def test_a_table_that_does_not_follow_from_its_evidence_is_stopped_at_the_gate(project: Project, run: Run) -> None:
    """Changed rules make `check` fail with exit 3 and name the difference."""
    _built(run, project)
    _set("rules", 0, "regex", to="never")(project)
    one_line(run("check"), 3, "routes.yaml does not follow from its evidence", "rules.0.regex")


def test_an_odd_rule_is_a_warning_of_the_check(project: Project, run: Run) -> None:
    """Rules that stand in each other's way are said on stderr, and change no exit code."""
    rules = project.config["rules"]
    rules += [{"name": "late", "class": "sums", "regex": r"\d\+\d", "tenant": ["\x1b[31mred"]}]
    rules += [{"name": "red", "class": "sums", "tenant": ["\x1b[31mred"], "max_chars": 0, "min_words": 1}]
    project.save()
    done = run("check")
    assert done.code == 0, done.err
    assert "warning: rules.late: is never reached: rule plus before it holds whenever it does\n" in done.err
    assert "warning: rules.red: can never hold: no prompt has at most 0 characters and has at least 1 word" in done.err
    assert "\x1b" not in done.err


def test_a_refused_pattern_is_stopped_with_its_line(project: Project, run: Run) -> None:
    """A pattern that RE2 does not take is one line with file, line and RE2's words, and nothing else on stderr."""
    _set("rules", 0, "regex", to="(?=x)")(project)
    done = run("check")
    one_line(done, 2, "routerctl.yaml:", "rules.0.regex: not a regular expression of RE2: invalid perl operator: (?=")
    assert len(done.err.splitlines()) == 1


# --- prompts ----------------------------------------------------------------------------------------------------------

PROMPTS = [
    ([], b"", ["stdin: expected a prompt, got nothing"]),
    ([], b" \n", ["stdin: expected a prompt, got nothing"]),
    ([], b"ab\xff", ["stdin: not UTF-8 (byte 0xff at offset 2)"]),
    (["--lines"], b"ok\nab\xff\n", ["stdin:2: not UTF-8 (byte 0xff at offset 2)"]),
    (["--jsonl"], b"{}\n", ["stdin:1: 'prompt' is missing"]),
    (["--jsonl"], b'{"prompt": ""}\n', ["stdin:1: prompt: expected a text"]),
    (["--jsonl"], b'{"prompt": 7}\n', ["stdin:1: prompt: expected a text"]),
    (["--jsonl"], b'{"prompt": "a", "prompt": "b"}\n', ["stdin:1: duplicate key 'prompt'"]),
    (["--jsonl"], b'{"prompt": "a"}\n\n{"promt": "b"}\n', ["stdin:3"]),
    (["--jsonl"], b'{"prompt": "\\ud800"}\n', ["stdin:1: prompt: holds half of a surrogate pair"]),
    (["--jsonl"], b'{"id": "q7", "prompt": "a", "class": "sum"}\n', ["stdin:1: q7: no task class 'sum'; did you mean"]),
    (["--jsonl"], b'{"prompt": "a"}\n{"prompt": "a", "prompt": "b"}\n', ["stdin:2: duplicate key 'prompt'"]),
    (["--jsonl"], b'{"prompt": {"a": ' + b'{"a": ' * 600 + b"1" + b"}" * 602 + b"\n", ["stdin:1: nested too deeply"]),
    (["--jsonl"], b'{"prompt": "a", "features": {"a": ' + b"[" * 300 + b"]" * 300 + b"}}\n", ["stdin:1: nested too"]),
    (["--jsonl"], b"[" * 100_000 + b"\n", ["stdin:1: nested too deeply"]),
    (["--feature", "a=" + "[" * 100_000], b"hi", ["--feature a: nested too deeply"]),
    (["--feature", "a=" + "[" * 300 + "]" * 300], b"hi", ["--feature a: nested too deeply"]),
    (["--jsonl"], b"hi\n", ["stdin:1: not JSON"]),
    (["--class", "smus"], b"hi", ["no task class 'smus'; did you mean 'sums'?"]),
]


@pytest.mark.parametrize("more", [[], ["--explain"]], ids=["", "explain"])
@pytest.mark.parametrize(("options", "stdin", "parts"), PROMPTS)
def test_a_prompt_that_is_none_is_named(
    *, options: list[str], stdin: bytes, parts: list[str], more: list[str], built: Path, run: Run
) -> None:
    """What stands on stdin and is no prompt: exit 2 and the line of stdin."""
    done = run("-C", str(built), "route", *options, *more, stdin=stdin)
    assert done.code == 2
    for part in parts:
        assert part in done.err
    assert "Traceback" not in done.err


def test_prompts_around_a_bad_one_are_served(built: Path) -> None:
    """A line that is no prompt is one failed prompt: its line of output is empty, the others are answered."""
    done = Project(built).run("route", "--lines", stdin=b"one\n\xff\nthree\n")
    one_line(done, 2, "1 of 3 prompts could not be served")
    assert "routerctl: stdin:2: not UTF-8" in done.err
    assert done.out == "I am model-large.\n\nI am model-large.\n"


def test_one_line_that_cannot_be_routed_does_not_stop_the_others(served: Project) -> None:
    """Each is named by line and id, the others are answered in their order, and the exit code says it."""
    lines = [{"id": f"q{k}", "prompt": f"p{k}"} for k in range(20)]
    lines[5]["class"], lines[9]["class"] = "sumz", "\x1b[31mred"
    served.write("replies.json", json.dumps({"*": {f"p{k}": {"text": f"a{k}", "latency_s": 0.05} for k in range(20)}}))
    done = served.run("route", "--jsonl", stdin="\n".join(map(json.dumps, lines)).encode())
    assert done.code == 2
    assert done.out.split("\n") == [*(f"a{k}" if k not in (5, 9) else "" for k in range(20)), ""]
    assert "routerctl: stdin:6: q5: no task class 'sumz'; did you mean 'sums'?\n" in done.err
    assert "routerctl: stdin:10: q9: no task class " in done.err
    assert "\x1b" not in done.err
    assert done.last == "routerctl: 2 of 20 prompts could not be served"


def test_what_was_paid_for_is_delivered_before_a_bad_line_ends_it(served: Project) -> None:
    """Calls that are under way when a line turns out to be no prompt end, and are printed, slow ones too."""
    served.write("replies.json", json.dumps({"*": {f"p{k}": {"text": f"a{k}", "latency_s": 0.4} for k in range(3)}}))
    stdin = "".join(json.dumps({"prompt": f"p{k}"}) + "\n" for k in range(3)) + "nonsense\n"
    done = served.run("route", "--jsonl", stdin=stdin.encode())
    assert done.code == 2
    assert "stdin:4: not JSON" in done.err
    assert done.out == "a0\na1\na2\n\n"


def test_what_breaks_on_one_line_is_said_and_the_others_served(served: Project, run: Run) -> None:
    """Also a fault that nobody has thought of: here of the script of the fake provider, met at the third prompt."""
    served.write("replies.json", json.dumps({"*": {"a": "A", "b": "B", "c": {"text": "x", "latency_s": "soon"}}}))
    done = run("-C", str(served.root), "route", "--lines", stdin="a\nc\nb\n")
    assert (done.code, done.out) == (4, "A\n\nB\n")
    assert "its answer could not be read: ValueError at fake.py:" in done.err
    assert done.last == "routerctl: 1 of 3 prompts could not be served"


def test_a_closed_stdin_is_an_error_of_the_user(built: Path) -> None:
    """`routerctl route <&-` has nothing to read."""
    one_line(Project(built).run("route", stdin=None), 2, "stdin: is closed")


@pytest.mark.parametrize("arguments", [["route"], ["health"], ["log", "list"], ["eval"]], ids=" ".join)
def test_a_closed_stdout_is_said_before_anything_is_paid(arguments: list[str], served: Project) -> None:
    """`>&-`: nothing that was found could be delivered."""
    done = served.run(*arguments, stdin=b"hi", stdout=None, preexec_fn=lambda: os.close(1))
    assert (done.code, done.err) == (1, "routerctl: stdout is closed\n")
    assert not (served.root / ".routerctl/decisions.sqlite").exists()


def test_a_closed_stderr_stops_no_answer(served: Project) -> None:
    """`2>&-`: the answer is delivered, the reasons go nowhere."""
    done = served.run("route", stdin=b"hi", stderr=None, preexec_fn=lambda: os.close(2))
    assert (done.code, done.out) == (0, "I am model-large.\n")
    assert served.run("route", "--class", "smus", stdin=b"hi", stderr=None, preexec_fn=lambda: os.close(2)).code == 2


# --- what cannot be written -------------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [["route"], ["models"], ["route", "--explain"], ["--help"]], ids=" ".join)
def test_a_full_disk_behind_stdout_is_one_line(arguments: list[str], built: Path) -> None:
    """An answer that could not be delivered is not exit 0."""
    with Path("/dev/full").open("wb") as full:
        done = Project(built).run(*arguments, stdin=b"hi", stdout=full)
    assert done.code == 1
    assert done.last == "routerctl: No space left on device"
    assert "Traceback" not in done.err
    assert "Exception ignored" not in done.err


def _no_file_over(size: int) -> Callable[[], None]:
    """The disk is full, in one process: no file of it may grow above `size` bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("size", [0, 100_000])
def test_a_full_disk_during_an_eval_loses_nothing_that_was_paid_for(size: int, project: Project) -> None:
    """A run that cannot write on is one line; with room again, the next run goes on from what was kept."""
    long_replies = {f"sums: 1+{k}": "wrong, " * 300 for k in range(60)}
    project.write("replies.json", json.dumps({"*": long_replies}))
    done = project.run("eval", "--full", preexec_fn=_no_file_over(size))
    assert done.code in (1, 2)
    assert "Traceback" not in done.err
    assert "never retrieved" not in done.err
    assert done.last.startswith("routerctl: ")
    assert re.search(r"full|large|space|I/O|disk", done.last), done.err
    again = json.loads(project.run("eval", "--full", "--json").out)
    assert again["paid_calls"] + again["cached_calls"] == 120
    if size == 100_000:
        assert again["cached_calls"] > 0


@pytest.mark.parametrize("blocked", ["reports", ".routerctl"])
def test_a_folder_that_cannot_be_written_is_named(blocked: str, project: Project) -> None:
    """Where the run's folder or the cache cannot be made, nothing is called and the path is named."""
    project.write(blocked, "a file where a folder should be")
    done = project.run("eval")
    assert done.code in (1, 2)
    assert done.last.startswith("routerctl: ")
    assert blocked in done.last
    assert "Traceback" not in done.err


@pytest.mark.skipif(sys.platform != "linux", reason="drops a capability of Linux")
def test_a_read_only_project_is_one_line(project: Project) -> None:
    """Without the right to write into the project: one line that names the path."""
    project.root.chmod(0o500)
    done = project.run("eval", preexec_fn=without_rights)
    project.root.chmod(0o700)
    assert done.code in (1, 2)
    assert done.last.startswith(f"routerctl: {project.root}")
    assert "Permission denied" in done.last


# --- the far side -----------------------------------------------------------------------------------------------------


def _down(project: Project) -> None:
    for provider in project.config["providers"].values():
        provider["base_url"] = "http://127.0.0.1:9/v1"  # the discard port: nobody listens
    project.save()


def test_a_missing_key_is_named(vendors: Project, run: Run) -> None:
    """The variable that should hold the key is named, and nobody is called."""
    one_line(run("eval"), 2, "anthropic: set the environment variable TEST_KEY")


@pytest.mark.parametrize("missing", ["anthropic", "openai"])
def test_a_missing_key_is_what_the_user_must_set(missing: str, vendors: Project, far: Far, key: str, run: Run) -> None:
    """Of either vendor, of a candidate, of a judge, of who is asked again: exit 2, as for whatever else is not set."""
    vendors.eval_set("sums", 60)
    assert (run("eval").code, run("build-table").code) == (0, 0)
    wanted = {"anthropic": "small", "openai": "large"}[missing]
    vendors.config["providers"][missing]["api_key_env"] = "NO_KEY"
    vendors.save()
    words = f"{missing}: set the environment variable NO_KEY"
    one_line(run("eval", "--max-age", "0", "--candidate", wanted), 2, words)
    scorer = {"name": "judge", "candidate": wanted, "rubric": "Is it right?"}
    vendors.eval_set("judged", 60, scorer=scorer)
    other = {"small": "large", "large": "small"}[wanted]
    one_line(run("eval", "--class", "judged", "--candidate", other), 2, words)
    if wanted == "small":  # who serves
        (vendors.root / "evals/judged.yaml").unlink()
        one_line(run("eval", "--baseline", "routes.yaml", "--max-age", "0"), 2, words)


def test_a_provider_that_is_down_ends_the_run(vendors: Project, key: str, run: Run) -> None:
    """Connection refused: an outage, which is no evidence against a candidate, even where few cases would decide."""
    _down(vendors)
    one_line(run("eval"), 5, "anthropic", "cases in a row failed", "outage")


@pytest.mark.parametrize("candidate", ["small", "large"])
def test_a_refused_key_ends_the_run_and_is_shown_nowhere(
    candidate: str, vendors: Project, far: Far, key: str, run: Run
) -> None:
    """A 401 that quotes the key: exit 5 at once, and no output or file holds the key."""
    far.emulator.play(*[Fault(401, message=f"Incorrect API key provided: {SECRET}. See docs.")] * 9)
    done = run("eval", "--candidate", candidate)
    one_line(done, 5, "401")
    assert far.emulator.posts <= 4
    assert SECRET not in done.out + done.err
    assert vendors.holds(SECRET[:16]) == []


def test_the_key_is_in_no_file_of_a_whole_line(vendors: Project, key: str, run: Run) -> None:
    """eval, build-table, check and route: the key is in no file and no output of any of them."""
    outputs = [
        run(*command, stdin="hi")
        for command in (["eval"], ["build-table"], ["check"], ["route"], ["route", "--json"], ["models"])
    ]
    assert [done.code for done in outputs] == [0] * 6
    assert SECRET not in "".join(done.out + done.err for done in outputs)
    assert vendors.holds(SECRET) == []


def test_every_rung_failing_is_exit_4(vendors: Project, far: Far, key: str, run: Run) -> None:
    """Each rung is named with what it said; where no key is set, it is the user's to set one: exit 2."""
    vendors.eval_set("sums", 60)
    assert run("eval").code == run("build-table").code == 0
    table = (vendors.root / "routes.yaml").read_text()
    assert "rungs:\n    - small\n    - large" in table
    done = run("route", "--class", "sums", stdin="hi")
    assert done.code == 0
    far.emulator.play(Fault(400, message="no"), Fault(400, message="no"))
    refused = run("route", "--class", "sums", stdin="hi")
    os.environ.pop("TEST_KEY")
    unset = run("route", "--class", "sums", stdin="hi")
    for done, code, words in (
        (refused, 4, "small: anthropic: 400 for model"),
        (unset, 2, "small: anthropic: set the environment variable TEST_KEY"),
    ):
        assert (done.code, done.out) == (code, "")
        assert words in done.last
        assert done.err.count("every rung of sums failed") == 1
    assert "large: openai: set the environment variable TEST_KEY" in done.last


# --- budget and gate --------------------------------------------------------------------------------------------------


def test_a_spent_budget_is_exit_6_and_what_was_paid_for_is_kept(project: Project, run: Run) -> None:
    """Never more than the limit; the next run, without one, pays the rest only."""
    project.config["providers"]["fake"]["concurrency"] = 1
    project.save()
    project.eval_set("sums", 60, reply={"max_tokens": 1})
    done = run("eval", "--full", "--max-cost-usd", "0.0003")
    one_line(done, 6, "the next call could pass the limit of $0.0003", "kept")
    (results,) = project.root.glob("reports/*/results.jsonl")
    kept = [json.loads(line) for line in results.read_text().splitlines()]
    assert 0 < len(kept) < 120
    assert sum(float(result["cost_usd"]) for result in kept) <= 0.0003
    again = json.loads(run("eval", "--full", "--json").out)
    assert (again["cached_calls"], again["paid_calls"]) == (len(kept), 120 - len(kept))


STRICT: list[tuple[float, int, str, int, str]] = [  # share of right answers, cases, what is asked for, code, words
    (0.0, 60, "--strict", 3, "no candidate reaches the bar of sums"),
    (0.0, 60, "--strict=provisional", 3, "no candidate reaches the bar of sums"),
    (0.9, 60, "--strict", 3, "provisional, not proven: sums"),  # just above the bar of 0.8
    (0.9, 60, "--strict=proven", 3, "provisional, not proven: sums"),
    (0.9, 60, "--strict=provisional", 0, ""),
    (1.0, 5, "--strict", 3, "provisional, not proven: sums"),  # not even a perfect score would prove it
    (1.0, 5, "--strict=provisional", 0, ""),
    (1.0, 60, "--strict", 0, ""),
]


@pytest.mark.parametrize(("share", "count", "asked", "code", "words"), STRICT)
@pytest.mark.parametrize("command", ["eval", "build-table"])
def test_strict(
    *, command: str, share: float, count: int, asked: str, code: int, words: str, project: Project, run: Run
) -> None:
    """--strict: 3 where a class is not on the level that is asked for, proven where none is named."""
    project.eval_set("sums", count)
    project.replies({"model-small": 0.0, "model-large": share})
    if command == "build-table":
        assert run("eval").code == 0
    done = run(command, asked)
    assert done.code == code
    assert words in done.last


@pytest.mark.parametrize("asked", ["--strict", "--strict=provisional"])
def test_strict_where_too_few_cases_decide(asked: str, project: Project, run: Run) -> None:
    """Where nothing but proof counts and a candidate may yet be proven, exit 7: more cases would tell."""
    project.config["when_unproven"] = "top_rung"
    project.save()
    project.replies({"model-small": 0.9, "model-large": 0.0})
    done = run("eval", asked)
    assert (done.code, done.last) == (7, "routerctl: too few cases to decide for sums")


@pytest.mark.parametrize("command", ["eval", "build-table"])
@pytest.mark.parametrize(
    ("asked", "hint"),
    [(["--strict=provisonal"], "did you mean 'provisional'?"), (["--strict=best"], "expected one of: proven, prov")],
)
def test_a_level_that_strict_does_not_know_is_named(
    command: str, asked: list[str], hint: str, project: Project, run: Run
) -> None:
    """One line with the nearest right name, and nobody is asked."""
    done = run(command, *asked)
    one_line(done, 2, "--strict", hint)
    assert not (project.root / "reports").exists()


def test_strict_takes_its_level_as_options_do(project: Project, run: Run) -> None:
    """With a blank in place of `=`, and before other options."""
    project.replies({"model-small": 0.0, "model-large": 0.9})
    assert run("eval", "--strict", "provisional").code == 0
    assert run("eval", "--strict", "--json").code == 3


def test_a_set_too_small_to_prove_anything_says_so_and_still_chooses(project: Project, run: Run) -> None:
    """Five right answers in five prove nothing: the candidate serves as provisional, with its risk, and is named so."""
    project.eval_set("sums", 5)
    project.replies({"model-small": 0.0, "model-large": 1.0})
    done = run("eval", "--json")
    found = json.loads(done.out)["classes"]["sums"]
    assert (found["chosen"], found["level"]) == ("large", "provisional")
    assert found["candidates"][-1]["risk"] == pytest.approx(0.8**5, rel=1e-3)
    assert "+ sums, large: Provisional: 5 of 5 cases passed (5 planned)" in done.err
    assert "sums: large is provisional, 5/5;" in run("build-table").err
    explained = run("route", "--explain", stdin="hi")
    assert "provisional" in explained.out


# --- closed pipes and Ctrl-C ------------------------------------------------------------------------------------------


def test_a_reader_that_has_seen_enough_stops_the_paying(served: Project) -> None:
    """`routerctl route --lines | head -1`: exit 0, nothing on stderr but reasons, and no further prompt is asked."""
    process = served.start("route", "--lines", stderr=subprocess.DEVNULL)
    assert process.stdin
    assert process.stdout
    process.stdin.write(b"first\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"I am model-large.\n"  # at once: it does not wait for more lines
    process.stdout.close()
    process.stdin.write(b"second\n")
    process.stdin.flush()
    assert process.wait(20) == 0  # though stdin is still open
    process.stdin.close()


def test_head_costs_a_few_calls_not_all(served: Project) -> None:
    """Of 400 prompts only those under way when the pipe closed were asked."""
    prompts = b"".join(b"prompt %d\n" % number for number in range(400))
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = served.run("route", "--lines", stdin=prompts, stdout=closed)
    assert done.code == 0
    assert "Traceback" not in done.err
    assert done.err.count("-> large") == 1


@pytest.mark.parametrize(
    "arguments", [["--help"], ["models"], ["eval"], ["build-table", "--json"], ["check"]], ids=" ".join
)
def test_a_closed_pipe_is_no_error(arguments: list[str], served: Project) -> None:
    """Every command may be piped into `head -1`."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = served.run(*arguments, stdout=closed)
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    assert "Exception ignored" not in done.err


def _wait(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)


def test_ctrl_c_waits_for_calls_in_flight_and_the_next_run_pays_the_rest_only(
    vendors: Project, far: Far, key: str
) -> None:
    """One Ctrl-C: exit 130; every call that reached the far side is in results and cache, none is paid twice."""
    far.emulator._latency_s = 0.15
    process = vendors.start("eval", "--full", "--candidate", "small", stdin=subprocess.DEVNULL)
    _wait(lambda: far.emulator.posts >= 6, process)
    process.send_signal(signal.SIGINT)
    out, err = (stream.decode() for stream in process.communicate(timeout=30))
    paid = far.emulator.posts
    assert process.returncode == 130
    assert err.strip().endswith("routerctl: interrupted")
    assert err.count("stopping: waiting for the calls in flight") == 1
    assert "Traceback" not in err
    assert "sums" in out
    (results,) = vendors.root.glob("reports/*/results.jsonl")
    kept = [json.loads(line) for line in results.read_text().splitlines()]
    assert 6 <= len(kept) == paid < 60
    assert all(result["status"] == "scored" for result in kept)
    far.emulator._latency_s = 0.0
    assert vendors.run("eval", "--full", "--candidate", "small").code == 0
    assert far.emulator.posts == 60
    assert sorted(far.asked()) == sorted(f"sums: 1+{k}" for k in range(60))


def test_a_second_ctrl_c_leaves_the_calls_in_flight(vendors: Project, far: Far, key: str) -> None:
    """Twice Ctrl-C: exit 130 at once, no traceback; nobody will know whether these calls were billed, so it is said."""
    far.emulator._latency_s = 60.0
    process = vendors.start("eval", stdin=subprocess.DEVNULL)
    _wait(lambda: far.emulator.posts >= 4, process)
    process.send_signal(signal.SIGINT)
    assert process.stderr
    while b"stopping" not in (line := process.stderr.readline()):
        assert line
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    unseen, last = err.decode().splitlines()
    assert re.fullmatch(r"attempts without a reply may be billed too: \$0\.\d+ at most", unseen)
    assert last == "routerctl: interrupted"


def test_ctrl_c_while_route_waits_for_stdin(served: Project) -> None:
    """A command that waits for a prompt can be left."""
    process = served.start("route", "--lines")
    assert process.stdin
    process.stdin.write(b"hi\n")
    process.stdin.flush()
    assert process.stdout
    assert process.stdout.readline() == b"I am model-large.\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    _, err = process.communicate()
    assert err.decode().splitlines()[1:] == ["routerctl: interrupted"]


def test_a_fault_of_our_own_is_one_line_too(project: Project, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever nobody thought of: exit 1 and one line that names the kind."""
    project.write("evals/sums.yaml", SUMS % (0.8, f"[{CASE}]"))
    monkeypatch.setattr("routerctl.evaluation.check.check_project", lambda *_: 1 / 0)
    one_line(run("check"), 1, "ZeroDivisionError")


def test_a_broken_far_side_is_not_evidence(vendors: Project, far: Far, key: str, run: Run) -> None:
    """A few failed cases are counted and reported as failed, not as wrong answers."""
    far.emulator.play(CUT, Fault(500), CUT)
    report = json.loads(run("eval", "--json").out)
    small = report["classes"]["sums"]["candidates"][0]
    assert small["candidate"] == "small"
    assert small["failed"] == 3
    assert small["passes"] == small["cases"] - 3
