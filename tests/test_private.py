"""What lies below `.routerctl` is its owner's alone, whatever the umask."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from routerctl.files.database import open_database
from routerctl.files.private import make_private, tighten
from routerctl.routing.state.sqlite import SqliteStore
from tests.conftest import Project, without_rights


def modes(root: Path) -> dict[str, str]:
    """Give the mode of everything below `.routerctl`, by path."""
    below = root / ".routerctl"
    found = [below, *below.rglob("*")]
    return {str(one.relative_to(root)): f"{stat.S_IMODE(one.stat().st_mode):o}" for one in found}


def expected(root: Path) -> dict[str, str]:
    """Give what the modes have to be."""
    return {name: "700" if (root / name).is_dir() else "600" for name in modes(root)}


@pytest.fixture(params=[0o000, 0o022, 0o277], ids=lambda mask: f"umask {mask:o}")
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Set an umask of this process."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_what_a_project_keeps_is_private(served: Project, umask: int) -> None:
    """Cache, state and logs, those of a tenant too, with what SQLite keeps beside them while it is open."""
    assert umask is not None
    served.run("route", "--class", "sums", stdin=b"hello")
    (served.root / "notes.sqlite").touch()
    store = SqliteStore(served.root / ".routerctl/tenants/acme/.routerctl/state.sqlite")
    store.update(["a/b"], lambda _: ({"a/b": 1}, None))
    database = open_database(served.root / ".routerctl/cache.sqlite", "CREATE TABLE IF NOT EXISTS a (b)")
    database.execute("INSERT INTO a VALUES (1)")
    found = modes(served.root)
    assert found == expected(served.root)
    assert {name.rpartition("-")[2] for name in found if "sqlite-" in name} == {"wal", "shm"}
    store.close()
    database.close()


def test_looser_ones_are_tightened(served: Project) -> None:
    """A project of an earlier version, by the next command that opens the file, reading or writing; nothing else is."""
    served.run("route", "--class", "sums", stdin=b"hello")
    for command in (("log", "list"), ("route", "--class", "sums")):
        for path in [served.root / ".routerctl", *(served.root / ".routerctl").rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        (served.root / "routes.yaml").chmod(0o644)
        assert served.run(*command, stdin=b"hello").code == 0
        found = modes(served.root)
        assert found[".routerctl"] == "700"
        assert found[".routerctl/decisions.sqlite"] == "600"
        assert stat.S_IMODE((served.root / "routes.yaml").stat().st_mode) == 0o644


def test_what_is_somebody_elses_stays(served: Project, tmp_path: Path) -> None:
    """A read-only folder works as before, and a link leads nowhere."""
    served.run("route", "--class", "sums", stdin=b"hello")
    folder = served.root / ".routerctl"
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    assert served.run("log", "list", preexec_fn=without_rights).code == 0
    folder.chmod(0o700)
    other = tmp_path / "other"
    other.write_text("x")
    other.chmod(0o644)
    (folder / "linked.sqlite").symlink_to(other)
    tighten(folder / "linked.sqlite")
    assert stat.S_IMODE(other.stat().st_mode) == 0o644


def test_a_file_elsewhere_has_its_folder_left_alone(tmp_path: Path) -> None:
    """Whoever names a place of their own has set the folder up."""
    tmp_path.chmod(0o755)
    make_private(tmp_path / "log.sqlite")
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "log.sqlite").stat().st_mode) == 0o600
