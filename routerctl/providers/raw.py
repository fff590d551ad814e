"""A request in a vendor's own words -> the far side's reply, whole or as a stream: bytes, and what they say.

For applications' requests, which are passed on as they are: no SDK stands between, which would cost many times as much.
A stream is handed over with its first content; until then whatever goes wrong is an error like any other, and the call
may be made again elsewhere. Place: a provider whose API is a vendor's own holds one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as with_
from importlib.util import find_spec
from typing import Any, NoReturn

from routerctl import errors
from routerctl.costs import most_usd
from routerctl.providers import base
from routerctl.providers.fast_reader import FastReply
from routerctl.providers.faults import Faults, priced
from routerctl.providers.http_client import HttpClient, HttpResponse, NotConnected
from routerctl.providers.reading import Far, Odd, body_of
from routerctl.providers.stream_state import CUT_SHORT, STATES, StreamState, part_seen, stop_of_response
from routerctl.types import ProviderSpec, RawReply, RawRequest, RawWire, Reply, StopReason, Usage

# (body, what was asked, seconds, what came) -> the reply; raises ProviderError
Read = Callable[[Far, RawRequest, float, RawReply], Reply]
ReadStream = Callable[[StreamState, RawRequest, float], Reply]  # (what a stream said, what was asked, seconds)
Count = Callable[[Far], tuple[Usage, str]]  # (usage as told) -> tokens, and what is odd or lacking
Ended = Reply | errors.ProviderError


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """A vendor's API at one address."""

    url: str  # that `paths` are added to
    headers: Mapping[str, str] = field(repr=False)  # with the key
    paths: Mapping[RawWire, str]
    plain: Mapping[RawWire, Callable[[Any], FastReply | None]]
    stops: Mapping[str, StopReason]
    read: Mapping[RawWire, Read]
    read_stream: Mapping[RawWire, ReadStream]
    count: Mapping[RawWire, Count]
    faults: Faults
    proxied: bool = True  # by the proxies of the environment


class RawCaller:
    """Calls one API; its connections are opened at the first call, in the loop of that call."""

    def __init__(self, spec: ProviderSpec, outside: base.Outside, api: Api) -> None:
        self._spec, self._clock, self._api = spec, outside.clock, api
        self.wires = frozenset(api.paths)
        self._headers = {"content-type": "application/json", "accept-encoding": "identity", **api.headers}
        self._client: HttpClient | None = None
        env = outside.env
        self._proxied = api.proxied and any(env.get(name) for upper in _PROXIES for name in (upper, upper.lower()))

    async def call(self, request: RawRequest) -> Reply:
        """Make one attempt; what it cost in vain, at most, where it had to be sent twice, is in `perhaps_usd`.

        Raises:
            ProviderError: whatever went wrong, in the project's words; likewise.
        """
        began = self._clock()
        response = await self._sent(request)
        if not response.was_resent:
            return await self._read(response, request, began)
        in_vain_usd = most_usd(request.price, request, 0.0)
        try:
            return with_(await self._read(response, request, began), perhaps_usd=in_vain_usd)
        except errors.ProviderError as problem:
            problem.perhaps_usd = in_vain_usd
            raise

    async def _read(self, response: HttpResponse, request: RawRequest, began: float) -> Reply:
        try:
            if response.status >= 300:
                return await self._refused(response, request)
            if request.stream and "event-stream" in response.headers.get("content-type", ""):
                return await self._begun(response, request, began)
            body = await response.read()
        except errors.ProviderError:
            response.close()
            raise
        except (OSError, TimeoutError) as problem:
            response.close()
            raise self._failed(problem, may_be_billed=response.status < 300) from None
        except BaseException:  # nobody waits for it any more
            response.close()
            raise
        return self._whole(response, body, request, self._clock() - began)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def _sent(self, request: RawRequest) -> HttpResponse:
        client = self._client or self._opened()
        try:
            return await client.post(self._api.paths[request.wire], request.body, request.headers, request.query)
        except (OSError, TimeoutError) as problem:
            raise self._failed(problem, may_be_billed=not isinstance(problem, NotConnected)) from None
        except ValueError as problem:  # an application's query or header cannot be written: nothing has left
            shown = base.far_text(str(problem), self._api.faults.key)
            raise errors.BadRequest(shown, provider=self._spec.name) from None

    def _opened(self) -> HttpClient:
        connect_s = min(base.CONNECT_TIMEOUT_S, self._spec.timeout_s)
        if self._proxied or find_spec("httptools") is None:
            from routerctl.providers.http_proxy import ProxiedClient as Client
        else:
            from routerctl.providers.http1 import Http1Client as Client  # type: ignore[assignment]  # of one protocol
        self._client = Client(self._api.url, self._headers, connect_s=connect_s)
        return self._client

    async def _refused(self, response: HttpResponse, request: RawRequest) -> NoReturn:
        raise self._api.faults.of_response(_Answered(response, await response.read()), request, request.model)

    def _whole(self, response: HttpResponse, body: bytes, request: RawRequest, took_s: float) -> Reply:
        try:
            answer = body_of(body)
        except Odd as odd:
            raise self._api.faults.broken("not a reply", odd, None) from None
        wire, api, headers = request.wire, self._api, response.headers
        plain = api.plain[wire](answer.value) if wire in api.plain else None
        if plain is None:
            has_content = says_something(wire, answer.value)
            raw = RawReply(wire=wire, headers=headers, body=body, has_content=has_content)
            return api.read[wire](answer, request, took_s, raw)
        return Reply(
            text=plain.text,
            stop_reason=api.stops[plain.stop],
            served_model=plain.served_model,
            usage=plain.usage,
            latency_s=took_s,
            cost_usd=request.price(plain.usage, took_s),
            raw=RawReply(wire=wire, headers=headers, body=body, has_content=plain.has_content),
        )

    async def _begun(self, response: HttpResponse, request: RawRequest, began: float) -> Reply:
        """Read a stream up to its first content; one that ends without any is whole."""
        state, came = STATES[request.wire](keep_text=request.keep_text), list[bytes]()
        while not (state.has_content or state.is_done):
            piece = await response.readany()
            if not piece:
                state.end()
                break
            came.append(piece)
            state.feed(piece)
            self._check(state, request)
        headers, took_s = response.headers, self._clock() - began
        if state.has_content:
            stream = RawStream(response, state, request, self._api, lambda: self._clock() - began)
            raw = RawReply(wire=request.wire, headers=headers, body=b"".join(came), has_content=True, stream=stream)
            return Reply(
                text="",
                stop_reason=CUT_SHORT,
                served_model=state.served_model,
                usage=Usage(estimated=True),
                latency_s=took_s,
                raw=raw,
            )
        while piece := await response.readany():
            came.append(piece)
        check_ended(state, request, self._api)
        reply = self._api.read_stream[request.wire](state, request, took_s)
        return with_(reply, raw=RawReply(wire=request.wire, headers=headers, body=b"".join(came), has_content=False))

    def _check(self, state: StreamState, request: RawRequest) -> None:
        if problem := error_of(state, request, self._api):
            raise problem

    def _failed(self, problem: BaseException, *, may_be_billed: bool) -> errors.ProviderError:
        kind = errors.TimedOut if isinstance(problem, TimeoutError) else errors.ConnectionFailed
        shown = base.far_text(f"{type(problem).__name__}: {problem}", self._api.faults.key)
        return priced(kind(shown, provider=self._spec.name), None, may_be_billed=may_be_billed)


class RawStream:
    """What comes of a stream after its first content; whoever holds something for it is told of its end, once."""

    def __init__(
        self,
        response: HttpResponse,
        state: StreamState,
        request: RawRequest,
        api: Api,
        elapsed_s: Callable[[], float],
    ) -> None:
        self._response, self._state, self._request, self._api = response, state, request, api
        self._elapsed_s = elapsed_s
        self._told: list[Callable[[Ended], None]] = []
        self.priced: Callable[[Ended], Ended] = lambda end: end  # the wire's
        self.ended: Ended | None = None
        self.began = state.began
        self._problem: errors.ProviderError | None = None  # that it was ended for
        self._loop = asyncio.get_running_loop()
        self._came_at, self._is_read = self._loop.time(), True  # not while its reader has a piece: a client may be slow
        self._idle: asyncio.TimerHandle | None = None
        if request.idle_s:
            self._watch(request.idle_s)

    def then(self, told: Callable[[Ended], None]) -> None:
        """Have somebody told of the end, once."""
        self._told.append(told)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give what comes; raises ProviderError where it breaks off."""
        response, state = self._response, self._state
        try:
            while piece := await response.readany():
                self._came_at = self._loop.time()
                state.feed(piece)
                if state.error or state.odd:
                    break
                self._is_read = False
                yield piece
                self._is_read, self._came_at = True, self._loop.time()
            state.end()
            check_ended(state, self._request, self._api)
        except errors.ProviderError as problem:
            raise self._broke(self._problem or problem) from None
        except (OSError, TimeoutError) as problem:
            raise self._broke(self._problem or self._cut(problem)) from None
        except BaseException:
            self.abort()
            raise
        self._end(self._api.read_stream[self._request.wire](state, self._request, self._elapsed_s()))

    def abort(self, problem: errors.ProviderError | None = None) -> None:
        """End it: nobody wants the rest any more, or `problem` is in its way, which whoever reads it is told."""
        if self.ended is None and problem is None:
            state = self._state
            self._end(
                Reply(
                    text="".join(state.text),
                    stop_reason=CUT_SHORT,
                    served_model=state.served_model,
                    usage=self._seen(),
                    latency_s=self._elapsed_s(),
                )
            )
        self._problem = problem
        self._response.close()

    def _broke(self, problem: errors.ProviderError) -> errors.ProviderError:
        problem.usage, problem.may_be_billed = self._seen(), False
        self._end(problem)
        self._response.close()
        return problem

    def _end(self, end: Ended) -> None:
        if self._idle:
            self._idle.cancel()
        if self.ended is None:
            self.ended = self.priced(end)
            for told in self._told:
                told(self.ended)

    def _cut(self, problem: BaseException) -> errors.ProviderError:
        shown = base.far_text(f"the stream broke off: {type(problem).__name__}", self._api.faults.key)
        return errors.ConnectionFailed(shown, provider=self._api.faults.provider)

    def _seen(self) -> Usage:
        """What was used so far, as far as it was told, the rest by what came."""
        told = self._state.usage
        known = self._api.count[self._request.wire](Far(dict(told), "usage"))[0] if told else None
        return part_seen(self._state, known, self._request)

    def _watch(self, idle_s: float) -> None:
        """End it where it has been silent for too long; by one timer a stream, and not one a piece."""
        silent_s = self._loop.time() - self._came_at if self._is_read else 0.0
        if silent_s < idle_s:
            self._idle = self._loop.call_later(idle_s - silent_s, self._watch, idle_s)
        else:
            self.abort(errors.TimedOut(f"it was silent for {idle_s:g} s", provider=self._api.faults.provider))


@dataclass(frozen=True, slots=True)
class _Answered:
    """An answer with a status of failure, as `Faults` reads it."""

    response: HttpResponse
    content: bytes

    @property
    def status_code(self) -> int:
        return self.response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self.response.headers

    @property
    def request(self) -> HttpResponse:
        return self.response  # has the `url` that was asked


def error_of(state: StreamState, request: RawRequest, api: Api) -> errors.ProviderError | None:
    """Give the error that a stream has told of; None where it has none."""
    if state.error is not None:
        told = api.faults.within(state.error, request, None)
        return told or errors.ServerFault("an error in its stream", provider=api.faults.provider)
    if state.odd:
        return api.faults.broken("not a stream of events", Odd(state.odd), None)
    return None


def check_ended(state: StreamState, request: RawRequest, api: Api) -> None:
    """See that a stream has ended as the API says; raises ProviderError."""
    if problem := error_of(state, request, api):
        raise problem
    if not state.is_done:
        raise api.faults.broken("", Odd("the stream ended without its last event"), None)


def says_something(wire: RawWire, body: Any) -> bool:
    """Tell whether a whole reply says anything that its reader could use: a text, a tool call, or that it refuses."""
    told: dict[str, Any] = body if isinstance(body, dict) else {}
    if wire == "chat":
        return any(map(_says, _objects(told, "choices")))
    if wire == "messages":
        return any(map(_speaks, _objects(told, "content"))) or told.get("stop_reason") == "refusal"
    if wire == "responses":
        spoken = any(item.get("type") != "reasoning" for item in _objects(told, "output"))
        return spoken or stop_of_response(told) == "content_filter"
    return True


_SILENT = ("text", "thinking", "redacted_thinking")  # blocks in which nothing stands but their text
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def _objects(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = body.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _speaks(block: Mapping[str, Any]) -> bool:
    kind = block.get("type")
    return kind not in _SILENT or (kind == "text" and _is_read(block.get("text")))


def _is_read(value: Any) -> bool:
    return bool(value.strip() if isinstance(value, str) else value)


def _says(choice: Mapping[str, Any]) -> bool:
    message = choice.get("message")
    if not isinstance(message, dict):
        return False
    spoken = any(_is_read(message.get(name)) for name in ("content", "tool_calls", "refusal", "function_call", "audio"))
    return spoken or choice.get("finish_reason") == "content_filter"
