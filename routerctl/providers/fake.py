"""Turns a script into replies: a provider for tests and for examples that must run without a model.

In routerctl.yaml: kind `fake` with `options: {replies: replies.json, latency_s: 0.2}`. The file maps a model id to a
map from the last message's text to the reply; `"*"` stands for any model or any text. A reply is a text, or an object
with `text`, `stop_reason`, `latency_s`, or `error` (a class name of `routerctl.errors`, say "RateLimited"); the text
"probe" is a health probe's, which fails only where it has an error. Does not know tokens: it counts four characters as
one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from routerctl import errors
from routerctl.providers import base
from routerctl.providers.base import Probed
from routerctl.types import Json, Message, Prompt, ProviderSpec, Reply, ReplySpec, Request, StopReason, Usage

Turn = str | Reply | errors.ProviderError
Script = Callable[[Request], Turn] | Mapping[str, Turn] | Sequence[Turn]
ANY = "*"
CHARS_PER_TOKEN = 4


class FakeProvider:
    """Answers from a script and keeps the requests it got in `requests`.

    The script is a function of the request, a map from the last message's text (or "*"), or turns used up in order.
    """

    OPTIONS: ClassVar[Mapping[str, type]] = {"replies": str, "latency_s": float}

    def __init__(self, spec: ProviderSpec, outside: base.Outside, script: Script | None = None) -> None:
        self._spec, self._sleep = spec, outside.sleep
        options = base.checked_options(spec, self.OPTIONS)
        self._latency_s = float(options.get("latency_s", 0.0))
        self._script = script if script is not None else _script_of(spec, self._latency_s)
        self._left = iter(self._script) if isinstance(self._script, Sequence) else None
        self.requests: list[Request] = []
        self.closed = False

    async def reply(self, request: Request) -> Reply:
        """Give the script's next reply, or raise its error, after its latency.

        Raises:
            ProviderError: where the script says so.
            InputError: the script has nothing for this request.
        """
        self.requests.append(request)
        turn = self._turn(request)
        reply = self._reply(turn, request) if isinstance(turn, str) else turn
        if latency_s := reply.latency_s if isinstance(reply, Reply) else self._latency_s:
            await self._sleep(latency_s)
        if isinstance(reply, errors.ProviderError):
            raise reply
        return reply

    async def probe(self, model: str) -> Probed:
        """Say that the model is there, or raise the error that the script has for the text "probe".

        Raises:
            ProviderError: where the script says so.
        """
        turn: Turn | None = None
        with suppress(errors.InputError):  # the script has nothing for it: all is well
            turn = None if self._left else self._turn(probe_of(model))  # turns in order are of calls alone
        if isinstance(turn, errors.ProviderError):
            raise turn
        return Probed(model=model)

    async def close(self) -> None:
        """Note that it was closed."""
        self.closed = True

    def _turn(self, request: Request) -> Turn:
        if callable(self._script):
            return self._script(request)
        if isinstance(self._script, Mapping):
            turn = self._script.get(request.prompt.messages[-1].content, self._script.get(ANY))
        else:
            turn = next(self._left, None) if self._left is not None else None
        if turn is None:
            raise errors.InputError(f"the script of fake provider '{self._spec.name}' has no reply for this request")
        return turn

    def _reply(self, text: str, request: Request) -> Reply:
        return reply_of(text, request, latency_s=self._latency_s)


def probe_of(model: str) -> Request:
    """Build the request that a script is asked with for a probe."""
    prompt = Prompt(system="", messages=(Message(role="user", content="probe"),))
    return Request(model=model, prompt=prompt, reply=ReplySpec())


def reply_of(text: str, request: Request, *, latency_s: float = 0.0, stop: StopReason = StopReason.END) -> Reply:
    """Build the reply that a model would have given, with made-up token counts."""
    asked = len(request.prompt.system) + sum(len(turn.content) for turn in request.prompt.messages)
    usage = Usage(input_tokens=_tokens(asked), output_tokens=_tokens(len(text)))
    return Reply(text=text, stop_reason=stop, served_model=request.model, usage=usage, latency_s=latency_s)


def _tokens(chars: int) -> int:
    return -(-chars // CHARS_PER_TOKEN)


def _script_of(spec: ProviderSpec, latency_s: float) -> Script:
    """The script in the file that the options name.

    Raises:
        InputError: no such file, not JSON, or not of the shape above.
    """
    if "replies" not in spec.options:
        raise errors.InputError(f"provider '{spec.name}' of kind fake needs `options: {{replies: FILE.json}}`")
    file = str(spec.options["replies"])
    try:
        models = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise errors.InputError(f"the fake provider's replies cannot be read: {problem}", file=file) from None
    if not (isinstance(models, dict) and all(isinstance(replies, dict) for replies in models.values())):
        raise errors.InputError("expected a map from model ids to maps from texts to replies", file=file)

    def script(request: Request) -> Turn:
        replies = models.get(request.model) or models.get(ANY) or {}
        told = replies.get(request.prompt.messages[-1].content, replies.get(ANY))
        return _turn_of(told, request, latency_s, file)

    return script


def _turn_of(told: Json, request: Request, latency_s: float, file: str) -> Turn:
    """One entry of the file as a turn."""
    if isinstance(told, str):
        return reply_of(told, request, latency_s=latency_s)
    if not isinstance(told, dict):
        asked = base.far_text(request.prompt.messages[-1].content)
        raise errors.InputError(f"no reply of model '{request.model}' to: {asked}", file=file)
    if "error" in told:
        found = getattr(errors, str(told["error"]), None)
        if not (isinstance(found, type) and issubclass(found, errors.ProviderError)):
            raise errors.InputError(f"'{told['error']}' is not a provider error", file=file)
        return found("scripted", provider="fake")
    try:
        stop = StopReason(told.get("stop_reason", StopReason.END))
    except ValueError as problem:
        raise errors.InputError(str(problem), file=file) from None
    reply = reply_of(str(told.get("text", "")), request, latency_s=latency_s, stop=stop)
    return replace(reply, latency_s=float(told.get("latency_s", latency_s)))
