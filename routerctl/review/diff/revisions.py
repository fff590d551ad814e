"""A path or a git revision -> a table.

A table of a revision is read with git's own plumbing, as bytes: no filter, no pager, no hook of the repository runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from routerctl.errors import InputError, nearest
from routerctl.files.yaml import read_text
from routerctl.table import TABLE_FILE, parse_table, with_digest
from routerctl.types import Table

_LISTED = 12  # branches and tags that an error lists; a repository may have thousands


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSource:
    """One side of a comparison: the table, what the user knows it by, and whether its digest is not its own."""

    name: str  # "routes.yaml", "HEAD~2:routes.yaml"
    table: Table
    edited: bool


def find(root: Path, name: str) -> TableSource:
    """Read the table that a path or a git revision names; a file wins.

    Raises: InputError saying what it is not.
    """
    path = root / name
    if path.is_dir():
        path, name = path / TABLE_FILE, f"{name.rstrip('/')}/{TABLE_FILE}"
    if path.exists():
        return _source(name, read_text(path, name))
    if name == TABLE_FILE:
        raise InputError("no such file here; `routerctl build-table` writes it", file=name)
    return _source(f"{name}:{TABLE_FILE}", _text_at(root, name))


def _source(shown: str, text: str) -> TableSource:
    table = parse_table(text, shown, verify=False)
    return TableSource(name=shown, table=table, edited=with_digest(table).digest != table.digest)


# --- git --------------------------------------------------------------------------------------------------------------


def _text_at(root: Path, revision: str) -> str:
    """Give routes.yaml as the commit `revision` has it, of the same folder.

    Raises: InputError where there is no git, no repository, no such revision, or no routes.yaml in it.
    """
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit.returncode:
        raise InputError(_unknown(root, revision), file=revision)
    # `./` is this folder, wherever in the repository it is; the id is git's own answer, so no user's word is an option.
    blob = _git(root, "cat-file", "blob", f"{commit.stdout.decode().strip()}:./{TABLE_FILE}")
    if blob.returncode:
        raise InputError(f"this revision has no {TABLE_FILE} in this folder", file=revision)
    try:
        return blob.stdout.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("not UTF-8", file=f"{revision}:{TABLE_FILE}") from None


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run git without a terminal: it must not ask for a password in the middle of a comparison."""
    git = shutil.which("git")
    if git is None:
        raise InputError("git is not installed; name two files: `routerctl diff OLD.yaml NEW.yaml`")
    return subprocess.run(  # noqa: S603 - a fixed list of arguments, no shell
        [git, "--no-pager", *arguments],
        cwd=root,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


def _unknown(root: Path, revision: str) -> str:
    inside = _git(root, "rev-parse", "--is-inside-work-tree")
    if inside.returncode:
        said = inside.stderr.decode(errors="replace").strip().splitlines()
        why = "this folder is not in a git repository"
        if said and "not a git repository" not in said[0]:
            why = f"git says: {said[0]}"
        return f"no such file, and {why}; name two files: `routerctl diff OLD.yaml NEW.yaml`"
    names = _git(root, "for-each-ref", "--format=%(refname:short)").stdout.decode(errors="replace").split()
    if revision == "HEAD":
        return "nothing has been committed yet; name two files: `routerctl diff OLD.yaml NEW.yaml`"
    hint = nearest(revision, ["HEAD", *names])
    shown = hint if len(names) <= _LISTED or hint.startswith("; did") else ""
    return f"neither a file nor a git revision{shown}"
