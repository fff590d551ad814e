"""`routerctl init`: scaffold a project."""

from __future__ import annotations

import typer

FILES = {
    "routerctl.yaml": "routerctl.yaml",
    "evals/ticket.yaml": "evals/ticket.yaml",
    ".github/workflows/routerctl.yml": "workflow.yml",
}
IGNORED = ".routerctl/"


def init() -> None:
    """Write a first routerctl.yaml (Claude Haiku, Sonnet, Opus), one eval set and a CI workflow; overwrite nothing.

    [bold]Examples[/bold]

        routerctl init

        mkdir support && routerctl -C support init
    """
    from importlib.resources import files
    from pathlib import Path

    from routerctl.console import say
    from routerctl.errors import InputError

    present = [name for name in FILES if Path(name).exists()]
    if present:
        raise InputError("is there already; init overwrites nothing", file=present[0])
    for name, source in FILES.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = files("routerctl").joinpath("scaffold", source).read_text(encoding="utf-8")
        path.write_text(text, encoding="utf-8")
        typer.echo(name)
    ignore = Path(".gitignore")
    lines = ignore.read_text(encoding="utf-8") if ignore.exists() else ""
    if IGNORED not in lines.splitlines():
        ignore.write_text(
            lines + ("" if lines.endswith("\n") or not lines else "\n") + IGNORED + "\n", encoding="utf-8"
        )
        typer.echo(".gitignore")
    say("ticket.yaml has 24 examples, which choose a model but rarely prove one: 58 or more of your own can (`check`)")
    say("next: put your cases into evals/, set ANTHROPIC_API_KEY, then `routerctl eval --dry-run` and `routerctl eval`")
