"""A run's files: header and results come back as written, and damage is named instead of dropped."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from routerctl.errors import InputError
from routerctl.evaluation.run_files import RunWriter, new_run_id, read_header, read_run, run_folder, run_folders
from routerctl.files.writing import write_atomically
from routerctl.types import Candidate, Price, ProviderSpec, Result, RunHeader, Status, StopReason

HEADER = RunHeader(
    run_id="20261123-000000-aaaaaa",
    created_at="2026-11-23T00:00:00Z",
    finished=False,
    seed=1,
    mode="proven",
    risk=0.05,
    margin=0.03,
    full=False,
    ladder_name="main",
    ladder=("small",),
    providers={"far": ProviderSpec(name="far", kind="fake")},
    candidates={"small": Candidate(name="small", provider="far", model="m")},
    prices={"small": Price(date="2026-11-23", source="x", usd_per_hour=Decimal("0.10"))},
    classes={},
    software={"python": "3.11"},
)
RESULT = Result(
    task_class="sums",
    candidate="small",
    case_id="a",
    index=0,
    input={"q": "1 + 1"},
    expected="two",
    status=Status.SCORED,
    passed=True,
    score=1.0,
    extracted="two",
    explanation="equal",
    reply="Zwei ist größer: two \u2028 \x1b[31m\x00",
    stop_reason=StopReason.END,
    served_model="m",
    calls=1,
    input_tokens=3,
    output_tokens=1,
    cost_usd=Decimal("0.0000001"),
    latency_s=0.25,
    cached=False,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of two results, written as a run writes it."""
    with RunWriter(tmp_path / "reports", HEADER) as writer:
        writer.append(RESULT)
        writer.append(replace(RESULT, case_id="b", index=1))
        return writer.folder


def change_header(folder: Path, **changes: Any) -> None:
    """Edit run.json by hand."""
    content = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    (folder / "run.json").write_text(json.dumps({**content, **changes}), encoding="utf-8")


def test_a_run_is_read_as_it_was_written(folder: Path) -> None:
    """Header and results come back equal, money and hostile characters included, in the order of writing."""
    run = read_run(folder)
    assert run.header == HEADER
    assert run.results == (RESULT, replace(RESULT, case_id="b", index=1))


def test_each_result_is_there_when_append_returns(tmp_path: Path) -> None:
    """A reader sees a result before the writer is closed, so that a killed run loses none."""
    with RunWriter(tmp_path / "reports", HEADER) as writer:
        writer.append(RESULT)
        assert len(read_run(writer.folder).results) == 1


def test_what_is_not_there_is_left_out_of_a_line(tmp_path: Path) -> None:
    """A recorded outcome has no reply, no tokens, no latency: its line has no key for them, and reads back the same."""
    bare = Result(
        task_class="sums",
        candidate="small",
        case_id="a",
        index=0,
        input="1 + 1",
        status=Status.SCORED,
        passed=True,
        score=1.0,
        calls=1,
        cost_usd=Decimal(0),
    )
    with RunWriter(tmp_path, HEADER) as writer:
        writer.extend([bare, replace(bare, index=1)])
    line = (tmp_path / HEADER.run_id / "results.jsonl").read_text().splitlines()[0]
    assert set(json.loads(line)) == {
        *("class", "candidate", "case_id", "index", "input", "status", "passed", "score", "calls", "cost_usd")
    }
    assert read_run(tmp_path / HEADER.run_id).results == (bare, replace(bare, index=1))


def test_a_question_is_held_once(tmp_path: Path) -> None:
    """However many candidates were asked it, a question read back is one text; their replies are their own."""
    asked = [replace(RESULT, candidate=name, input="how " * 100) for name in ("small", "large")]
    with RunWriter(tmp_path, HEADER) as writer:
        writer.extend(asked)
    first, second = read_run(tmp_path / HEADER.run_id).results
    assert first.input is second.input
    assert (first.candidate, second.candidate) == ("small", "large")


def test_a_surrogate_is_kept(tmp_path: Path) -> None:
    """Half of a surrogate pair in a reply neither ends the run nor is lost."""
    with RunWriter(tmp_path / "reports", HEADER) as writer:
        writer.append(replace(RESULT, reply="\ud83d", extracted="\udc00"))
        [result] = read_run(writer.folder).results
    assert (result.reply, result.extracted) == ("\ud83d", "\udc00")


def test_a_run_cut_off_anywhere_keeps_its_whole_lines(folder: Path) -> None:
    """Whatever byte the last write ended at, inside a character too, exactly the whole lines are read."""
    whole = (folder / "results.jsonl").read_bytes()
    assert "ö".encode() in whole
    for length in range(len(whole) + 1):
        (folder / "results.jsonl").write_bytes(whole[:length])
        assert len(read_run(folder).results) == whole[:length].count(b"\n")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"case_id": "a", ', b"", "1: 'case_id' is missing"),
        (b"\n", b"", "1: not JSON: Extra data"),
        (b'"case_id": "a"', b'"case_id": "a', "1: not JSON: Expecting ',' delimiter"),
        (b'"index": 0', b'"index": "0"', "1: index: expected a whole number, got '0'"),
        (b'"index": 1', b'"index": 1, "index": 2', "2: duplicate key 'index'"),
        (b'"status": "scored"', b'"status": "passed"', "1: status: 'passed' is not known here"),
        (b'"passed": true', b'"passed": 1', "1: passed: expected true or false, got 1"),
        (b'"cost_usd": "0.0000001"', b'"cost_usd": "-"', "1: cost_usd: expected a number, got '-'"),
        (b'"score": 1.0', b'"score": NaN', "1: NaN is not JSON"),
        (b"Zwei", b"Zw\xffei", "1: not UTF-8"),
        (b'"case_id": "b"', b'"note": 1, "case_id": "b"', "2: note: unknown key"),
    ],
)
def test_a_broken_line_is_an_error(folder: Path, old: bytes, new: bytes, message: str) -> None:
    """A line before the last that cannot be read is named; evidence is not dropped in silence."""
    content = (folder / "results.jsonl").read_bytes()
    assert old in content
    (folder / "results.jsonl").write_bytes(content.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        read_run(folder)
    assert str(caught.value).startswith(f"reports/{HEADER.run_id}/results.jsonl:{message}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 2}, "schema_version: 2 is newer than this routerctl knows (1); upgrade routerctl"),
        ({"schema_version": None}, "schema_version: expected 1, got None"),
        ({"run_ids": "x"}, "run_ids: unknown key; did you mean 'run_id'?"),
        ({"mode": "prove"}, "mode: 'prove' is not known here; did you mean 'proven'?"),
        ({"ladder": "small"}, "ladder: expected a list, got 'small'"),
        ({"providers": {"far": {}}}, "providers.far: 'kind' is missing"),
        ({"risk": 1e999}, "risk: expected a finite number"),
        (
            {"prices": {"small": {"date": "x", "source": "x", "usd_per_hour": 1e999}}},
            "prices.small.usd_per_hour: expected",
        ),
    ],
)
def test_a_broken_header(folder: Path, changes: dict[str, Any], message: str) -> None:
    """A header of another version, or with a wrong value, is refused by name."""
    change_header(folder, **changes)
    with pytest.raises(InputError) as caught:
        read_header(folder)
    assert str(caught.value).startswith(f"reports/{HEADER.run_id}/run.json: {message}")


@pytest.mark.parametrize(
    ("content", "message"), [("{", ":1: not JSON"), ("[]", ": expected a mapping"), ("", ":1: not JSON")]
)
def test_a_header_that_is_none(folder: Path, content: str, message: str) -> None:
    """A file that is not a header at all is refused."""
    (folder / "run.json").write_text(content)
    with pytest.raises(InputError) as caught:
        read_header(folder)
    assert str(caught.value).startswith(f"reports/{HEADER.run_id}/run.json{message}")


def test_missing_results(folder: Path) -> None:
    """A header without its results is refused by the results' name."""
    (folder / "results.jsonl").unlink()
    with pytest.raises(InputError, match=r"results\.jsonl: cannot be read: No such file or directory$"):
        read_run(folder)


def test_the_same_run_cannot_be_written_twice(folder: Path) -> None:
    """A second run of the same id in the same second is refused and changes nothing of the first."""
    with pytest.raises(InputError, match="this run exists already"):
        RunWriter(folder.parent, HEADER)
    assert len(read_run(folder).results) == 2


def test_the_header_is_never_seen_in_part(folder: Path) -> None:
    """Readers that look while the header is written anew see the old one or the new one, and no file is left over."""
    seen, stop = [], threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.append(read_header(folder).software["note"])

    writer = RunWriter(folder.parent, replace(HEADER, run_id="other"))
    writer.folder = folder
    notes = ["x" * length for length in (1, 50_000)]
    writer.write_header(replace(HEADER, software={"note": notes[0]}))
    with writer:
        reader = threading.Thread(target=look)
        reader.start()
        for number in range(100):
            writer.write_header(replace(HEADER, software={"note": notes[number % 2]}))
        stop.set()
        reader.join()
    assert seen
    assert set(seen) <= set(notes)
    assert sorted(path.name for path in folder.iterdir()) == ["results.jsonl", "run.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """Text that cannot be written leaves the old content and nothing beside it."""
    path = tmp_path / "file"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "new \ud83d")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_names_the_place_and_not_the_draft(tmp_path: Path) -> None:
    """Neither a folder nor a device is replaced; what the system refuses is said of the file that was asked for."""
    with pytest.raises(InputError, match="is a folder; expected the name of a file to write"):
        write_atomically(tmp_path, "x")
    with pytest.raises(InputError, match="no such folder"):
        write_atomically(tmp_path / "none" / "a", "x")
    name = "n" * 250  # the draft's name is longer than a name may be
    with pytest.raises(OSError, match="too long") as caught:
        write_atomically(tmp_path / name, "x")
    assert caught.value.filename == str(tmp_path / name)


def test_run_ids() -> None:
    """Ids begin with their moment in UTC and sort by it, also within a second."""
    first = datetime(2026, 11, 23, 4, 31, 0, 7, tzinfo=timezone(timedelta(hours=1)))
    assert new_run_id(first) == "20261123-033100-000007"
    later = [new_run_id(first + timedelta(microseconds=step)) for step in (0, 1, 999_000, 10**6, 86_400 * 10**6)]
    assert later == sorted(later)
    assert len(set(later)) == len(later)


def test_runs_are_found(tmp_path: Path) -> None:
    """Runs are listed newest first, folders without a header are none, and a wrong id gives the nearest right one."""
    assert run_folders(tmp_path) == []
    for run_id in ("20261123-000000-aaaaaa", "20261124-000000-bbbbbb"):
        RunWriter(tmp_path / "reports", replace(HEADER, run_id=run_id)).__exit__(None, None, None)
    (tmp_path / "reports" / "notes").mkdir()
    assert [path.name for path in run_folders(tmp_path)] == ["20261124-000000-bbbbbb", "20261123-000000-aaaaaa"]
    assert run_folder(tmp_path, "20261123-000000-aaaaaa").is_dir()
    wrong = r"^reports/: no run '20261123-000000-aaaaab'; did you mean '20261123-000000-aaaaaa'\?$"
    with pytest.raises(InputError, match=wrong):
        run_folder(tmp_path, "20261123-000000-aaaaab")


@pytest.mark.parametrize(
    "written", ["reports/{}", "reports/{}/", "./reports/{}", "{root}/reports/{}", "other/../reports/{}"]
)
def test_a_run_is_found_by_its_path(written: str, tmp_path: Path) -> None:
    """As a shell completes it; the folder is the one of the id. A path that is none is refused, whatever it ends in."""
    run_id = HEADER.run_id
    RunWriter(tmp_path / "reports", HEADER).__exit__(None, None, None)
    assert run_folder(tmp_path, written.format(run_id, root=tmp_path)) == run_folder(tmp_path, run_id)
    with pytest.raises(InputError, match=r"^reports/: no run"):
        run_folder(tmp_path, written.replace("reports", "others").format(run_id, root=tmp_path))
