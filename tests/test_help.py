"""The help pages: their paragraphs fill the terminal, whatever the width of the source."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc

import pytest
import typer
from rich.markup import render

from routerctl.cli import COMMANDS, made_app, run


def pages() -> Iterator[tuple[str, ...]]:
    """Every command, those of a group by both words."""
    yield from ((name,) for name in COMMANDS)
    for group in made_app([]).registered_groups:
        assert isinstance(group.typer_instance, typer.Typer)
        for command in group.typer_instance.registered_commands:
            assert command.callback is not None
            yield str(group.name), command.name or command.callback.__name__.strip("_")


def written(words: tuple[str, ...]) -> str:
    """Give what the source says of a command."""
    app = made_app(list(words))
    for group in app.registered_groups:
        assert isinstance(group.typer_instance, typer.Typer)
        for command in group.typer_instance.registered_commands:
            if words[1:] == (command.name or "",):
                return cleandoc((command.callback and command.callback.__doc__) or "")
    return "".join(cleandoc((one.callback and one.callback.__doc__) or "") for one in app.registered_commands)


@pytest.mark.parametrize("words", list(pages()), ids=" ".join)
def test_paragraphs_fill_the_line(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal of 600 columns each paragraph of prose stands on one line."""
    monkeypatch.setenv("COLUMNS", "600")
    assert run([*words, "--help"]) == 0
    lines = {" ".join(line.split()) for line in capsys.readouterr().out.splitlines()}
    prose = [one for one in written(words).split("\n\n") if not one.startswith((" ", "[bold]"))]
    assert {render(" ".join(one.split())).plain for one in prose} <= lines


def test_eval_says_what_strict_minds(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A class below its level, and a choice that another table has: both end it with 3."""
    monkeypatch.setenv("COLUMNS", "600")
    assert run(["eval", "--help"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "Exit 3" in line]
    assert "neither proven nor provisional) or, after eval, if the choice would change; 5 if" in " ".join(line.split())
