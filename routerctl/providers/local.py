"""Turns a `Request` into a reply of weights on this machine: llama.cpp, in this process, offline.

A model's server is started at its first request, on loopback with a random key; from then on it is the OpenAI provider
with a base URL. The only file that imports `xllamacpp`. Knows nothing of retries and prices.

Evidence must not depend on what was asked before, yet most of a prompt is the beginning that all requests of a task
class share. llama.cpp's own prompt cache reuses whatever the last request left, so that sums are taken in another order
and replies move (measured: 11 of 60 texts). Here a prefix is computed once, alone, and its state saved; every request
starts from exactly that state (2 ms). Measured: texts and log probabilities equal in any order of requests, in two
processes, with one and two threads, at a fifth of the time.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from routerctl import errors
from routerctl.providers import base, weights
from routerctl.providers.base import Probed
from routerctl.providers.openai import RAISED, OpenAIProvider
from routerctl.types import Json, Message, ProviderSpec, RawRequest, RawWire, Reply, Request, Sampling

CONTEXT_TOKENS = 4096  # prompt and reply; the memory for it is taken at the start
PREFIXES = 64  # saved states kept per model: some megabytes each
_MARK = "ROUTERCTL-PREFIX-ENDS-HERE"

# How many rounds libgomp's threads spin before they sleep. Its default takes the core from any other busy process and
# falls to a tenth of its speed for it. Measured, two threads on two cores, tokens/s alone and beside a busy process:
# 0 rounds 53 and 42, 1,000 rounds 130 and 34.
_SPINS = "1000"


class LocalProvider:
    """Serves catalog models, and the user's own GGUF files, from this machine.

    `spec.options`: `models` maps names to GGUF files (their pinned ids are `name@sha256:<12 digits or more>`);
    `threads` of one request (default: its part of the cores when `concurrency` requests run at once; replies do not
    depend on it); `n_ctx` tokens of context (4,096); `logprobs: true` asks for log probabilities (of the model's own
    choice, before the reply is constrained). Without a temperature in the request it is 0, without a seed 0; other
    sampling stays llama.cpp's default.
    """

    OPTIONS: ClassVar[Mapping[str, type]] = {"models": dict, "threads": int, "n_ctx": int, "logprobs": bool}

    def __init__(self, spec: ProviderSpec, outside: base.Outside) -> None:
        self._spec, self._outside = spec, outside
        self._options = base.checked_options(spec, self.OPTIONS)
        if find_spec("xllamacpp") is None:
            raise errors.InputError(f"provider '{spec.name}' needs llama.cpp: pip install 'routerctl[local]'")
        for name, path in self._options.get("models", {}).items():
            if not isinstance(path, str):
                raise errors.InputError(f"provider '{spec.name}': options.models.{name} is the path of a GGUF file")
        self._starting = asyncio.Lock()
        self._servers: dict[str, list[LlamaServer]] = {}  # by model id, at most `concurrency` each

    async def reply(self, request: Request) -> Reply:
        """Make one attempt; loading the weights and computing a new prefix do not count as latency.

        Raises:
            ProviderError: whatever went wrong, in the project's words.
        """
        server = await self._server(request.model)
        try:
            return await server.reply(_decided(request))
        finally:
            server.guests -= 1

    wires: ClassVar[frozenset[RawWire]] = frozenset({"chat"})

    def additions(self, wire: RawWire) -> Mapping[str, Json]:
        """Let the slot's own state be used again."""
        del wire
        return {"id_slot": 0, "cache_prompt": True}

    async def forward(self, request: RawRequest) -> Reply:
        """Make one attempt at an application's own request; as `reply`."""
        server = await self._server(request.model)
        try:
            reply = await server.forward(request)
        except BaseException:
            server.guests -= 1
            raise
        return _whose_end(reply, server.leave)

    def is_warm(self, model: str) -> bool:
        """Tell whether the model's weights are loaded."""
        return bool(self._servers.get(model))

    async def warm_up(self, model: str) -> None:
        """Load the weights.

        Raises:
            ModelNotFound: they are not on this machine, or cannot be loaded.
        """
        server = await self._server(model)
        server.guests -= 1

    async def probe(self, model: str) -> Probed:
        """Look whether the weights are on this machine; ask the server where one runs.

        Raises:
            ModelNotFound: they are not there, or are not those that the model is pinned to.
            ProviderError: the server does not answer.
        """
        if servers := self._servers.get(model):
            return await servers[0].probe(model)
        pin, _ = await asyncio.to_thread(self._weights, model)
        return Probed(model=pin, detail="not loaded")

    async def close(self) -> None:
        """Stop the servers and remove what they saved."""
        while self._servers:
            for server in self._servers.popitem()[1]:
                await server.close()

    async def _server(self, model: str) -> LlamaServer:
        """Give the model's least busy server, a new one while all are busy and `concurrency` allows another.

        They share the weights in memory (the file is mapped), and it does not matter to a reply which of them gives it.
        """
        async with self._starting:
            servers = self._servers.setdefault(model, [])
            if all(server.guests for server in servers) and len(servers) < self._spec.concurrency:
                servers.append(await self._start(model))
            chosen = min(servers, key=lambda server: server.guests)
            chosen.guests += 1
            return chosen

    async def _start(self, model: str) -> LlamaServer:
        pin, path = await asyncio.to_thread(self._weights, model)
        return await LlamaServer.start(
            replace(self._spec, options={"logprobs": bool(self._options.get("logprobs"))}),
            self._outside,
            path=path,
            pin=pin,
            threads=self._options.get("threads") or default_threads(self._spec.concurrency),
            context_tokens=self._options.get("n_ctx") or CONTEXT_TOKENS,
        )

    def _weights(self, model: str) -> tuple[str, Path]:
        """The pinned id and verified file of a model; raises ModelNotFound."""
        name, digits = weights.split_pin(model)
        own = self._options.get("models", {})
        try:
            if name not in own:
                return self._of_catalog(model, own)
            path = Path(own[name]).expanduser()
            sha256 = weights.digest_of(path, self._outside.env)
        except errors.InputError as problem:
            raise errors.ModelNotFound(str(problem), provider=self._spec.name) from None
        if digits and sha256.startswith(digits):
            return model, path
        wrong = f"has other weights than '{model}' is pinned to" if digits else f"is not pinned by '{model}'"
        shown = f"{path} {wrong}: expected the model id '{weights.pinned(name, sha256)}'"
        raise errors.ModelNotFound(shown, provider=self._spec.name)

    def _of_catalog(self, model: str, own: Mapping[str, Json]) -> tuple[str, Path]:
        name = weights.split_pin(model)[0]
        known = [*own, *(one.name for one in weights.catalog())]
        if name not in known:
            raise errors.InputError(f"no local model '{name}'{errors.nearest(name, known)}")
        pin = weights.pin_of(model)
        path = weights.find(pin, self._outside.env)
        if path is None:
            raise errors.InputError(f"the weights of '{name}' are not on this machine: routerctl models pull {name}")
        return pin, path


class LlamaServer(OpenAIProvider):
    """One running llama.cpp server with one slot: a second request in the same batch would change the sums."""

    def __init__(self, spec: ProviderSpec, outside: base.Outside, *, engine: Any, key: str, states: Path) -> None:
        """`engine`: xllamacpp's running server, which stops when nothing refers to it any more."""
        self._engine, self._states = engine, states
        self.guests = 0  # requests that it answers or that wait for it
        self._root: str = engine.listening_address
        self._turn = asyncio.Lock()
        self._saved: dict[tuple[str, tuple[Message, ...]], str] = {}  # prefix -> file, oldest use first
        super().__init__(spec, outside, base_url=f"{self._root}/v1", api_key=key, proxied=False)

    @classmethod
    async def start(
        cls,
        spec: ProviderSpec,
        outside: base.Outside,
        *,
        path: Path,
        pin: str,
        threads: int,
        context_tokens: int,
    ) -> LlamaServer:
        """Load verified weights and serve them under their pinned id.

        Raises:
            ModelNotFound: llama.cpp cannot load the file.
        """
        key, states = secrets.token_urlsafe(32), Path(tempfile.mkdtemp(prefix="routerctl-"))
        try:
            engine = await asyncio.to_thread(
                _load, path, pin, threads=threads, context_tokens=context_tokens, key=key, states=states
            )
        except RuntimeError as problem:
            shutil.rmtree(states)
            shown = base.far_text(f"llama.cpp cannot load {path}: {problem}")
            raise errors.ModelNotFound(shown, provider=spec.name) from None
        except BaseException:
            shutil.rmtree(states)
            raise
        return cls(spec, outside, engine=engine, key=key, states=states)

    async def reply(self, request: Request) -> Reply:
        """Make one attempt from the saved state of the request's prefix.

        Raises:
            ProviderError: whatever went wrong, in the project's words.
        """
        async with self._turn:
            try:
                file = await self._prefix(request)
                started = self._clock()
                await self._post("/slots/0?action=restore", {"filename": file})
                restored_s = self._clock() - started
            except RAISED as problem:
                raise self._error(problem, request.model) from None
            reply = await super().reply(request)
            return replace(reply, latency_s=restored_s + reply.latency_s)

    async def forward(self, request: RawRequest) -> Reply:
        """Make one attempt at an application's own request, alone in the slot until its end."""
        await self._turn.acquire()
        try:
            reply = await self._raw.call(request)
        except BaseException:
            self._turn.release()
            raise
        return _whose_end(reply, self._turn.release)

    def leave(self) -> None:
        """Count one guest less."""
        self.guests -= 1

    async def close(self) -> None:
        """Close the connections, stop the server and remove what it saved."""
        await super().close()
        async with self._turn:
            self._engine = None
            self._saved.clear()
            shutil.rmtree(self._states, ignore_errors=True)

    def extra_body(self, request: Request) -> Mapping[str, Json]:
        """Start from the slot's state, and constrain the reply to the choices."""
        choices = {"grammar": grammar_of(request.reply.choices)} if request.reply.choices else {}
        return {"id_slot": 0, "cache_prompt": True, **choices}

    async def _prefix(self, request: Request) -> str:
        """The file with the state after everything that comes before the request's own first message."""
        key = (request.prompt.system, request.prompt.messages[: request.prompt.shared])
        file = self._saved.pop(key, None) or await self._save(request)
        self._saved[key] = file  # the latest use stands last
        while len(self._saved) > PREFIXES:
            oldest = self._saved.pop(next(iter(self._saved)))
            (self._states / oldest).unlink()
        return file

    async def _save(self, request: Request) -> str:
        """Compute a prefix from nothing and save its state."""
        shared = request.prompt.messages[: request.prompt.shared]
        probe = replace(request.prompt, messages=(*shared, Message(role="user", content=_MARK)))
        messages = self._body(replace(request, prompt=probe))["messages"]
        told = await self._post("/apply-template", {"messages": messages})
        text = told["prompt"].partition(_MARK)[0]
        await self._post("/completion", {"prompt": text, "n_predict": 0, "cache_prompt": False, "id_slot": 0})
        file = f"{secrets.token_hex(8)}.bin"
        await self._post("/slots/0?action=save", {"filename": file})
        return file

    async def _post(self, path: str, body: Mapping[str, Json]) -> Any:
        return await self._client.post(self._root + path, cast_to=object, body=body)


def _whose_end(reply: Reply, then: Callable[[], None]) -> Reply:
    """Give a reply at whose end something is to be done: now, where it is whole."""
    stream = reply.raw.stream if reply.raw else None
    if stream is None:
        then()
    else:
        stream.then(lambda _end: then())
    return reply


def default_threads(at_once: int = 1) -> int:
    """The usable cores but one, or each of `at_once` requests' part of all; at most 8.

    A second thread on a core that is busy makes both slower, so one request alone leaves a core to everything else.
    """
    usable = getattr(os, "sched_getaffinity", None)  # Linux only
    cores = len(usable(0)) if usable else os.cpu_count() or 1
    return max(1, min(8, cores - 1 if at_once == 1 else cores // at_once))


def grammar_of(choices: tuple[str, ...]) -> str:
    """Write the GBNF grammar of a reply that is exactly one of the choices.

    https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md
    """
    return "root ::= " + " | ".join(f'"{"".join(map(_escaped, choice))}"' for choice in choices)


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    return char if char.isprintable() else f"\\U{ord(char):08X}"


def _decided(request: Request) -> Request:
    """The request with everything said that would else be left to chance."""
    sampling = request.sampling
    temperature = 0.0 if sampling.temperature is None else sampling.temperature
    seed = 0 if sampling.seed is None else sampling.seed
    return replace(request, sampling=Sampling(temperature=temperature, top_p=sampling.top_p, seed=seed))


def _load(path: Path, pin: str, *, threads: int, context_tokens: int, key: str, states: Path) -> Any:
    """Start llama.cpp's server; it gives back the interpreter while it loads (0.2 s for 100 MB)."""
    os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)  # read when the library is loaded
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {pin}  # what every reply says was served
    params.hostnames, params.port = ["127.0.0.1"], 0  # 0: any free port
    params.api_keys, params.cors_origins = [key], ""  # its default lets any web page ask
    params.offline, params.ui, params.verbosity = True, False, -1
    params.n_ctx, params.n_parallel, params.n_gpu_layers = context_tokens, 1, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.slot_save_path = f"{states}{os.sep}"
    params.cache_ram_mib = 0  # its own cache of earlier prompts
    params.fit_params = False  # measures graphics memory: 0.15 s
    return xllamacpp.Server(params)
