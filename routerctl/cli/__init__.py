"""The `routerctl` command: each command in its own file, each imports what it needs when it runs.

A command parses, calls one function and prints. Only this file turns errors into one line on stderr and an exit code.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import Annotated

import typer

from routerctl import notices
from routerctl.cli.options import LEVELS, Command, Group
from routerctl.errors import InputError, RouterctlError
from routerctl.version import __version__

# name -> (module, what of it); in the order of the help
COMMANDS = {
    "demo": ("demo", "demo"),
    "init": ("init", "init"),
    "eval": ("evaluate", "evaluate"),
    "build-table": ("build_table", "build_table"),
    "import": ("import_", "import_"),
    "label": ("label", "label"),
    "train": ("train", "train"),
    "calibrate": ("calibrate", "calibrate"),
    "diff": ("diff", "diff"),
    "check": ("check", "check"),
    "route": ("route", "route"),
    "serve": ("serve", "serve"),
    "health": ("health", "health"),
    "replay": ("replay", "replay"),
    "drift": ("drift", "drift"),
    "budget": ("budget", "budget"),
    "experiment": ("experiment", "app"),
    "keys": ("keys", "app"),
    "models": ("models", "app"),
    "runs": ("runs", "app"),
    "log": ("log", "app"),
}


def made_app(arguments: list[str]) -> typer.Typer:
    """Make the command line that these arguments need: one command where they name one, else all of them.

    A command's options take a millisecond to make, and a start makes those of every command that it knows.
    """
    app = typer.Typer(
        cls=Group,
        name="routerctl",
        help="A lock file for model choice, with the evidence behind every line of it.",
        epilog="Exit codes: 0 done, 1 unexpected, 2 input, 3 gate, 4 every rung failed, 5 provider, 6 budget, "
        "7 inconclusive, 130 interrupted.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(everywhere)
    first = arguments[0] if arguments else ""
    for name in [first] if first in COMMANDS else COMMANDS:
        module, what = COMMANDS[name]
        made = getattr(import_module(f"routerctl.cli.{module}"), what)
        if isinstance(made, typer.Typer):
            app.add_typer(made, name=name, cls=Group)
            _let_flow(made)
        else:
            app.command(name)(made)
    _let_flow(app)
    return app


def _let_flow(app: typer.Typer) -> None:
    """Let the paragraphs of each command's help fill the terminal's width, whatever the width of their source."""
    for command in app.registered_commands:
        command.cls = Command
        paragraphs = cleandoc((command.callback and command.callback.__doc__) or "").split("\n\n")
        command.help = "\n\n".join(one if one.startswith(" ") else " ".join(one.split()) for one in paragraphs)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"routerctl {__version__}")
        raise typer.Exit


def everywhere(
    directory: Annotated[
        Path | None,
        typer.Option("--directory", "-C", help="Work in this project instead of the current folder."),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Choose models by evidence: eval, build-table, review, route."""
    if directory is not None:
        try:
            os.chdir(directory)
        except OSError as error:
            raise typer.BadParameter(f"{directory}: {error.strerror}", param_hint="--directory") from None


def main() -> None:
    """Run the command line and leave with its exit code."""
    # A command makes much and drops little: looking for garbage takes 10 ms of a start, and a quarter of reading a run.
    gc.set_threshold(100_000, 50, 100)
    if sys.stderr is None:  # started with `2>&-`: what is said goes nowhere, and not into the next file that is opened
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and give its exit code; an error is one line on stderr, never a traceback."""
    before = notices.take(_notify)
    try:
        return _run(arguments)
    finally:
        notices.take(before)


def _run(arguments: list[str]) -> int:
    if sys.stdout is None:  # started with `>&-`: what it would find, or pay for, could not be delivered
        return _fail("stdout is closed", 1)
    try:
        _check_text(arguments)
        arguments = _with_level(arguments)
        code = made_app(arguments)(arguments, standalone_mode=False)
        sys.stdout.flush()  # here, where a full disk still is an error with a name
        return _fail("interrupted", 130) if code == 130 else code or 0  # 130: what the framework makes of Ctrl-C
    except RouterctlError as error:
        more = len(error.more) if isinstance(error, InputError) else 0
        return _fail(f"{error}{f' (and {more} more)' if more else ''}", error.exit_code)
    except typer.TyperException as error:
        return _fail(_usage_words(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 130)
    except BrokenPipeError:  # the reader has seen enough (`| head -1`): not an error
        _drop_stdout()
        return 0
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):  # the same, as rich says it
            return 0
        raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _drop_stdout()
        return _fail(f"{place}{error.strerror or error}", 1)
    except Exception as error:  # noqa: BLE001 - the last door: a user gets a line, never a traceback
        # A database error is a full disk, mostly; sqlite3 is not imported just to ask.
        kind = "a file in .routerctl/" if type(error).__module__ == "sqlite3" else "unexpected"
        return _fail(f"{kind}: {type(error).__name__}: {error}", 1)


def _check_text(arguments: list[str]) -> None:
    """See that what was typed is text: other bytes reach Python as halves of surrogate pairs, which no file takes.

    Raises: InputError naming the argument.
    """
    for number, argument in enumerate(arguments, 1):
        try:
            argument.encode()
        except UnicodeEncodeError:
            shown = argument.encode("utf-8", "backslashreplace").decode()
            raise InputError(f"argument {number} is not UTF-8: {shown}") from None


def _with_level(arguments: list[str]) -> list[str]:
    """Give `--strict` the level that is meant where none follows it: an option's value cannot be left out otherwise."""
    following = [*arguments[1:], ""]
    return [
        f"{one}={LEVELS[0]}" if one == "--strict" and after not in LEVELS else one
        for one, after in zip(arguments, following, strict=False)
    ]


def _drop_stdout() -> None:
    """Let the interpreter's own flush at the end go nowhere: where it fails, the exit code would be 120."""
    with contextlib.suppress(OSError):
        file = sys.stdout.fileno()
        os.dup2(os.open(os.devnull, os.O_WRONLY), file)


def _usage_words(error: typer.TyperException) -> str:
    format_message = getattr(error, "format_message", None)
    return format_message() if format_message else str(error)


def _notify(text: str, level: notices.Level) -> None:
    from routerctl.cli.output.terminal import notify  # a start that says nothing does without

    notify(text, level)


def _fail(problem: str, code: int) -> int:
    from routerctl.cli.output.terminal import say

    if problem:
        say(f"routerctl: {problem}")
    return code
