"""`routerctl diff` as a user meets it: paths and revisions in; text, Markdown and JSON out, or one line of error."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.review.diff import compare
from routerctl.review.diff.render import ComparedTables, code, markdown
from routerctl.table import table_text, with_digest
from routerctl.types import PromptSpec, Table
from tests.conftest import Done, Project
from tests.test_changes import BASE, HAIKU, MAIL, OPUS, plain, route, table

Run = Callable[..., Done]
BEFORE = table(route("extract", OPUS), route("mail", HAIKU))
AFTER = with_digest(replace(table(route("extract", HAIKU), route("mail", HAIKU)), table_version=4))
HEADLINE = "extract: opus -> haiku, proven; $12.40 -> $1.10 per 1,000 requests (-91.1%); score 100.0% -> 96.0%"
HOSTILE = (
    "\x1b]0;owned\x07\x1b[2J @team/everyone `` ` ![x](https://evil/pixel.png) <img src=x onerror=alert(1)> "
    "</details><script>alert(1)</script> https://evil.example | \u202eabc #1 [a](javascript:alert(1))"
)


def git(folder: Path, *arguments: str) -> str:
    """Run git there, as somebody, whatever the machine's own settings are."""
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false", "-c", "core.hooksPath=/"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)  # noqa: S607 - the git of this machine
    return done.stdout.strip()


@pytest.fixture
def versioned(project: Project) -> Project:
    """A folder of a repository, no project: v1 has the table before, HEAD another one, the folder the one after."""
    shutil.rmtree(project.root / "evals")
    (project.root / "routerctl.yaml").unlink()
    git(project.root, "init", "-q")
    for made, tag in ((BEFORE, "v1"), (replace(BEFORE, risk=0.01), "v2")):
        project.write("routes.yaml", table_text(with_digest(made)))
        git(project.root, "add", "routes.yaml")
        git(project.root, "commit", "-qm", tag)
        git(project.root, "tag", tag)
    project.write("routes.yaml", table_text(AFTER))
    return project


# --- which tables -----------------------------------------------------------------------------------------------------


def test_the_working_copy_is_compared_with_the_last_commit(versioned: Project, run: Run) -> None:
    """Without arguments it says what a commit of routes.yaml would change, in words and in money; exit 0."""
    done = run("diff")
    assert (done.code, done.err) == (0, "")
    lines = plain(done.out).splitlines()
    assert lines[0] == (
        "HEAD:routes.yaml (version 3) -> routes.yaml (version 4): 1 of 2 classes differs; 1 with another choice"
    )
    assert lines[2] == HEADLINE
    assert "unchanged: mail" in lines
    assert "  risk: 1% -> 5%" in lines
    assert lines[-1] == (
        "1,000 requests over 2 classes, weighed by their requests a month: $6.75 -> $1.10 (-83.7%), "
        "wrong in 1,000: 20 -> 40; a month of 4,000 requests: $27.00 -> $4.40"
    )


@pytest.mark.parametrize(
    ("arguments", "risks"),
    [
        (("v1",), None),
        (("HEAD~1",), None),
        (("v1", "v2"), "5% -> 1%"),
        (("v2", "HEAD~1"), "1% -> 5%"),
        (("HEAD", "HEAD"), None),
        (("v2^{commit}", "routes.yaml"), "1% -> 5%"),
    ],
    ids=str,
)
def test_revisions_of_every_kind(versioned: Project, run: Run, arguments: tuple[str, ...], risks: str | None) -> None:
    """A tag, an ancestor and an expression name a commit; each side may be one."""
    done = run("diff", *arguments)
    assert done.code == 0
    assert re.findall(r"risk: (.*)", done.out) == ([risks] if risks else [])


def test_a_sha_in_a_folder_of_a_larger_repository(
    project: Project, run: Run, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table of the same folder is taken, wherever in the repository that folder is."""
    root = tmp_path_factory.mktemp("repository")
    (root / "services/mail").mkdir(parents=True)
    git(root, "init", "-q")
    (root / "routes.yaml").write_text("not the table meant\n", encoding="utf-8")
    (root / "services/mail/routes.yaml").write_text(table_text(BEFORE), encoding="utf-8")
    git(root, "add", ".")
    git(root, "commit", "-qm", "both")
    (root / "services/mail/routes.yaml").write_text(table_text(AFTER), encoding="utf-8")
    done = run("-C", str(root / "services/mail"), "diff", git(root, "rev-parse", "--short", "HEAD"))
    assert (done.code, HEADLINE in plain(done.out)) == (0, True)


def test_a_file_wins_over_a_revision_and_a_folder_means_its_table(versioned: Project, run: Run) -> None:
    """What lies before the user's eyes is meant, where it has the name of a tag."""
    versioned.write("v1", table_text(AFTER))
    assert "the tables are the same" in run("diff", "v1").out
    versioned.write("other/routes.yaml", table_text(AFTER))
    assert run("diff", "other/").out.startswith("other/routes.yaml (version 4) -> routes.yaml")


BROKEN = [
    (["diff", "damagd"], "damagd: neither a file nor a git revision; did you mean 'damaged'?"),
    (["diff", "v9"], "v9: neither a file nor a git revision; expected one of: HEAD, damaged, empty, "),
    (["diff", "HEAD~9"], "HEAD~9: neither a file nor a git revision"),
    (["diff", "v1:routes.yaml"], "v1:routes.yaml: neither a file nor a git revision"),
    (["diff", "--", "--output=stolen"], "--output=stolen: neither a file nor a git revision"),
    (["diff", "--", "--since=yesterday"], "--since=yesterday: neither a file nor a git revision"),
    (["diff", "empty"], "empty: this revision has no routes.yaml in this folder"),
    (["diff", "v1", "broken.yaml"], "broken.yaml:2: not YAML: "),
    (["diff", "v1", "latin1.yaml"], "latin1.yaml"),
    (["diff", "future.yaml"], "future.yaml:1: schema_version: 99 is newer than this routerctl knows"),
    (["diff", "damaged"], "damaged:routes.yaml:"),
    (["diff", "--format", "xml"], "Invalid value for '--format'"),
]


@pytest.mark.parametrize(("arguments", "line"), BROKEN, ids=str)
def test_what_cannot_be_read_is_one_line(versioned: Project, run: Run, arguments: list[str], line: str) -> None:
    """Exit 2, nothing on stdout, and the line names the file or revision and what is wrong with it."""
    versioned.write("broken.yaml", "a: [")
    versioned.write("latin1.yaml", "a: \xe9".encode("latin-1"))
    versioned.write("future.yaml", "schema_version: 99\n")
    git(versioned.root, "checkout", "-q", "-b", "empty", "--force")
    git(versioned.root, "rm", "-q", "--cached", "routes.yaml")
    git(versioned.root, "commit", "-qm", "without")
    git(versioned.root, "checkout", "-q", "-b", "damaged", "--force", "v1")
    versioned.write("routes.yaml", "schema_version: 1\nladder: 7\n")
    git(versioned.root, "commit", "-qam", "damaged")
    git(versioned.root, "checkout", "-q", "--force", "v2")
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.last.startswith(f"routerctl: {line}")
    assert len(done.err.splitlines()) == 1
    assert not list(versioned.root.glob("*stolen*"))


def test_without_a_repository_or_a_commit_two_files_do(project: Project, run: Run) -> None:
    """The error says what else there is; two files need no git at all."""
    project.write("routes.yaml", table_text(BEFORE))
    project.write("new.yaml", table_text(AFTER))
    assert "this folder is not in a git repository; name two files" in run("diff").last
    git(project.root, "init", "-q")
    assert "nothing has been committed yet; name two files" in run("diff").last
    done = run("diff", "routes.yaml", "new.yaml")
    assert (done.code, HEADLINE in plain(done.out)) == (0, True)


def test_without_git_two_files_do(project: Project) -> None:
    """A machine without git compares files, and says why it cannot compare revisions."""
    project.write("routes.yaml", table_text(BEFORE))
    assert project.run("diff", "routes.yaml", env={"PATH": ""}).code == 0
    done = project.run("diff", "v1", env={"PATH": ""})
    assert (done.code, "git is not installed" in done.last) == (2, True)


def test_without_a_table_it_says_who_writes_one(project: Project, run: Run) -> None:
    """A missing routes.yaml is named, not taken for a revision."""
    project.write("old.yaml", table_text(BEFORE))
    done = run("diff", "old.yaml")
    assert done.last == "routerctl: routes.yaml: no such file here; `routerctl build-table` writes it"


# --- exit codes and warnings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "code"), [("v1", 3), ("routes.yaml", 0)])
def test_exit_code_tells_whether_anything_differs(versioned: Project, run: Run, before: str, code: int) -> None:
    """3 with --exit-code where anything differs, once it has been printed; 0 in any case without."""
    done = run("diff", before, "--exit-code")
    assert done.code == code
    assert done.out == run("diff", before).out
    assert run("diff", before).code == 0


def test_a_table_edited_by_hand_is_compared_with_a_warning(versioned: Project, run: Run) -> None:
    """The digest tells; the comparison goes on, and says so in every format."""
    text = table_text(AFTER).replace("risk: 0.05", "risk: 0.5")
    versioned.write("routes.yaml", text)
    done = run("diff")
    assert done.code == 0
    assert done.err.startswith("warning: routes.yaml: the content does not match the digest: edited by hand or damaged")
    assert "risk: 1% -> 50%" in done.out
    assert "> **Warning:** `routes.yaml` does not match its digest" in run("diff", "--format", "markdown").out
    found = json.loads(run("diff", "--json").out)
    assert (found["before"]["edited"], found["after"]["edited"]) == (False, True)


# --- formats ----------------------------------------------------------------------------------------------------------


def test_json_has_the_figures_and_the_words(versioned: Project, run: Run) -> None:
    """One line, money as exact text, the same under both of its names."""
    done = run("diff", "v1", "--json")
    assert done.out == run("diff", "v1", "--format", "json").out
    assert len(done.out.splitlines()) == 1
    found = json.loads(done.out)
    assert (found["before"]["name"], found["before"]["table_version"]) == ("v1:routes.yaml", 3)
    assert (found["differs"], found["table"]) == (True, [])
    extract, mail = found["classes"]["extract"], found["classes"]["mail"]
    assert (extract["what"], extract["other_choice"], plain(extract["words"])) == (["other candidate"], True, HEADLINE)
    assert (extract["before"]["chosen"], extract["before"]["pin"]) == ("opus", "opus (claude-opus-5-5)")
    assert float(extract["before"]["per_1000_accepted_usd"]) == 12.4
    assert (mail["what"], mail["other_choice"], mail["differences"]) == ([], False, [])
    assert float(found["cost"]["after_per_1000_usd"]) == 1.1
    assert found["cost"]["spread"] == "by volume"
    assert [found["cost"][f"{side}_wrong_per_1000"] for side in ("before", "after")] == [20, 40]


def test_markdown_is_a_comment(versioned: Project, run: Run) -> None:
    """The sentences first, every difference folded away below; names stand in code spans."""
    out = plain(run("diff", "--format", "markdown").out)
    assert out.startswith("### `HEAD:routes.yaml` (version 3) -> `routes.yaml` (version 4)\n\n1 of 2 classes differs")
    assert "\n- `extract`: `opus` -> `haiku`, proven; $12.40 -> $1.10 per 1,000 requests (-91.1%); " in out
    assert "\nUnchanged: `mail`\n" in out
    assert "<details><summary>All differences</summary>\n\n#### `extract`\n\n- `candidate`: `opus (claude-opus" in out
    assert out.endswith("</details>\n")


def without_code_spans(text: str) -> str:
    """Take out code spans as CommonMark 0.31, section 6.1, reads them: up to an equally long run of backticks."""
    rest, kept = text, ""
    while opening := re.search("`+", rest):
        closing = re.search(rf"(?<!`){opening[0]}(?!`)", rest[opening.end() :])
        kept += rest[: opening.start()]
        if closing is None:
            kept, rest = kept + opening[0], rest[opening.end() :]
        else:
            rest = rest[opening.end() + closing.end() :]
    return kept + rest


def hostile() -> Table:
    """A table whose free texts, and after an edit its names too, are written by somebody who means harm."""
    mail = replace(MAIL, description=HOSTILE, prompt=PromptSpec(template=HOSTILE), chosen=HOSTILE, rungs=(HOSTILE, "x"))
    return replace(table(mail), routes={"mail": mail, HOSTILE: replace(mail, task_class=HOSTILE)}, ladder=(HOSTILE,))


def test_hostile_texts_stay_in_their_code_spans() -> None:
    """Outside of code spans the comment has no mention, link, image or tag but its own fold."""
    for before, after in ((BASE, hostile()), (hostile(), BASE), (table(), hostile())):
        out = markdown(
            ComparedTables(found=compare(before, after), names=(HOSTILE, "routes.yaml"), edited=(True, False))
        )
        assert "@team" in out
        own = without_code_spans(out)
        assert re.findall("<[^>]*>", own) == ["<details>", "<summary>", "</summary>", "</details>"]
        assert not re.search("@|\\[|\\]|http|javascript|alert|\x1b|\u202e", own)


def test_hostile_texts_command_no_terminal(project: Project, run: Run) -> None:
    """Escape sequences and reordering marks arrive as their names."""
    project.write("old.yaml", table_text(BASE))
    project.write("routes.yaml", table_text(with_digest(hostile())))
    done = run("diff", "old.yaml")
    assert done.code == 0
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.out)
    assert "ESC" in done.out


@settings(deadline=None)
@given(st.text(st.sampled_from("`a \n|<@\\"), min_size=1) | st.text(min_size=1))
def test_no_text_ends_its_code_span(foreign: str) -> None:
    """Whatever stands in it, one code span holds all of it."""
    assert without_code_spans(f"({code(foreign)})") == "()"


def test_a_comment_is_never_too_long_for_github() -> None:
    """A comment holds 65,536 characters; what does not fit is counted, and the fold is closed."""
    before = table(*(route(f"class-{k}", OPUS) for k in range(150)))
    after = table(*(route(f"class-{k}", HAIKU, prompt=PromptSpec(template="x" * 500)) for k in range(150)))
    out = markdown(ComparedTables(found=compare(before, after), names=("a", "b")))
    assert 40_000 < len(out) < 65_536
    assert re.search(r"\d+ more do not fit here: run `routerctl diff`\.\n\n</details>$", out)
    many = table(*(route(f"class-{k}", HAIKU) for k in range(1500)))
    out = markdown(ComparedTables(found=compare(table(), many), names=("a", "b")))
    assert len(out) < 65_536
    assert out.endswith("Too much for a comment: run `routerctl diff`.")


def test_a_terminal_gets_lines_that_fit(project: Project) -> None:
    """On a terminal long lines are broken at its width and hang under their beginning; a pipe gets whole lines."""
    project.write("old.yaml", table_text(BEFORE))
    project.write("routes.yaml", table_text(AFTER))
    ours, theirs = pty.openpty()
    process = project.start("diff", "old.yaml", stdout=theirs, env={"COLUMNS": "80"})
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:  # Linux says "input/output error" when the other side is closed
        pass
    process.communicate(timeout=20)
    os.close(ours)
    lines = plain(seen.decode()).splitlines()
    assert process.returncode == 0
    assert max(map(len, lines)) <= 80
    assert " ".join(" ".join(lines).split()) == " ".join(plain(project.run("diff", "old.yaml").out).split())
