"""`routerctl init`: scaffold a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "routerctl.yaml": "routerctl.yaml",
    "evals/ticket.yaml": "evals/ticket.yaml",
    ".github/workflows/routerctl.yml": "workflow.yml",
}


def init() -> None:
    """Write a first routerctl.yaml (Claude Haiku, Sonnet, Opus), one eval set and a CI workflow; overwrite nothing.

    [bold]Examples[/bold]

        routerctl init

        mkdir support && routerctl -C support init
    """
    from importlib.resources import files
    from pathlib import Path

    from routerctl.cli.output.terminal import say
    from routerctl.errors import InputError

    present = [name for name in FILES if Path(name).exists()]
    if present:
        raise InputError("already exists; init overwrites nothing", file=present[0])
    for name, source in FILES.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = files("routerctl").joinpath("scaffold", source).read_text(encoding="utf-8")
        path.write_text(text, encoding="utf-8")
        typer.echo(name)
    if _ignore(Path(".gitignore"), files("routerctl").joinpath("scaffold", "gitignore").read_text(encoding="utf-8")):
        typer.echo(".gitignore")
    say("ticket.yaml has 24 examples, which choose a model but rarely prove one: 58 or more of your own can (`check`)")
    say("next: put your cases into evals/, set ANTHROPIC_API_KEY, then `routerctl eval --dry-run` and `routerctl eval`")


def _ignore(path: Path, wanted: str) -> bool:
    """Add what git is to ignore, with its reasons, to a .gitignore that lacks some of it; tell whether it did."""
    present = path.read_text(encoding="utf-8") if path.exists() else ""
    known = set(present.splitlines())
    missing = [line for line in wanted.splitlines() if line not in known]
    if all(line.startswith("#") for line in missing):
        return False
    end = "" if present.endswith("\n") or not present else "\n"
    path.write_text(f"{present}{end}{chr(10).join(missing)}\n", encoding="utf-8")
    return True
