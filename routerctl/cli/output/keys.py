"""What `routerctl keys` prints."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from routerctl.cli.output.terminal import print_table, say
from routerctl.service.key_admin import KeyOptions, create, list_keys, revoke
from routerctl.service.keys import Key, document_of
from routerctl.types import Json
from routerctl.words import count, plural


def print_created(path: Path, *, as_json: bool, **options: Any) -> None:
    """Create a key, print its secret, and say on stderr what it allows.

    Raises: InputError; StateDown.
    """
    now = datetime.now(UTC)
    key, secret = create(path, KeyOptions(**options), now)
    typer.echo(json.dumps({**_json(key, now), "secret": secret}) if as_json else secret)
    say(f"key {key.name} ({key.id}): {_allowed(key)}; its secret is not shown again")


def print_keys(path: Path, *, as_json: bool) -> None:
    """Print every key; raises InputError and StateDown."""
    now, keys = datetime.now(UTC), list_keys(path)
    if as_json:
        typer.echo(json.dumps([_json(one, now) for one in keys]))
    elif not keys:
        say("there are no API keys; create one with `routerctl keys create NAME`")
    else:
        print_table(
            ["key", "id", "state", "created", "allowed"],
            [_cells(one, now) for one in keys],
            whole=["id", "created"],
            width=80,
        )


def revoke_key(path: Path, which: str) -> None:
    """Revoke a key, and say so; raises InputError and StateDown."""
    key = revoke(path, which, datetime.now(UTC))
    say(f"key {key.name} ({key.id}) is revoked; every process refuses it within 2 s")


def _state(key: Key, now: datetime) -> str:
    if key.revoked_at:
        return "revoked"
    return "live" if key.is_live(now) else "expired"


def _cells(key: Key, now: datetime) -> list[str]:
    return [key.name, key.id, _state(key, now), f"{key.created_at:%Y-%m-%d}", _allowed(key)]


def _allowed(key: Key) -> str:
    """Say what a key allows."""
    limits = [(key.requests_per_minute, "requests a minute"), (key.tokens_per_minute, "tokens a minute")]
    said = [
        f"tenant {key.tenant}" if key.tenant is not None else "",
        _only(key.classes, "class", "classes"),
        _only(key.models, "model", "models"),
        *(f"{count(most)} {what}" for most, what in limits if most is not None),
        f"{plural(key.concurrency, 'request')} at once" if key.concurrency is not None else "",
        f"until {key.expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if key.expires_at else "",
    ]
    return ", ".join(filter(None, said)) or "everything"


def _only(names: tuple[str, ...], noun: str, nouns: str) -> str:
    return f"{noun if len(names) == 1 else nouns} {', '.join(names)} only" if names else ""


def _json(key: Key, now: datetime) -> dict[str, Json]:
    return {**document_of(key), "state": _state(key, now)}
