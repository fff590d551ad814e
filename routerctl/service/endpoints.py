"""Every path that is not on the hot path: lists of models, health, metrics, /ui, and those that do not exist."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from routerctl.errors import RouterctlError, nearest
from routerctl.service.admission import Admission
from routerctl.service.keys import Key
from routerctl.service.observer import Observer
from routerctl.service.problems import Problem, Refused, problem_of
from routerctl.service.request import AUTO, CLASS, PATHS
from routerctl.service.response import error_response
from routerctl.service.worker import Worker
from routerctl.types import ApiFormat, Table

_OWNER = "routerctl"


def endpoints(worker: Worker, admission: Admission, observer: Observer, *, ui: bool) -> Starlette:
    """Create the application for everything but the hot paths."""
    protected = Protected(worker, admission)

    async def metrics(_worker: Worker, request: Request, _key: Key | None) -> Response:
        accepts = request.headers.get("accept", "")
        body, content_type = await asyncio.to_thread(observer.metrics.render, accepts)
        return Response(body, headers={"content-type": content_type})

    routes = [
        Route("/healthz", _alive),
        Route("/readyz", protected.ready),
        Route("/v1/models", protected.wrap(_models)),
        Route("/v1/models/{id:path}", protected.wrap(_model)),
        Route("/metrics", protected.wrap(metrics, of_everybody=True)),
    ]
    if ui:
        from routerctl.service.ui_mount import ui_routes

        def guarded(page: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
            return protected.wrap(lambda _worker, request, _key: page(request), of_everybody=True, by_browser=True)

        routes += ui_routes(worker, guarded)

    async def not_there(request: Request, error: Exception) -> Response:
        answer = _not_there(request, getattr(error, "status_code", 404), ui=ui)
        observer.not_found(request.method, request.url.path, answer.status_code)
        return answer

    return Starlette(routes=routes, exception_handlers={404: not_there, 405: not_there})


Endpoint = Callable[[Worker, Request, Key | None], Awaitable[Response]]


class Protected:
    """Endpoints that need a key whenever applications' requests do."""

    def __init__(self, worker: Worker, admission: Admission) -> None:
        self._worker, self._admission = worker, admission

    def wrap(
        self, endpoint: Endpoint, *, of_everybody: bool = False, by_browser: bool = False
    ) -> Callable[[Request], Awaitable[Response]]:
        """Give an endpoint that admits a request first.

        `of_everybody`: it shows all tenants, so a key of one tenant is refused; `by_browser`: for people, whose browser
        asks them for the key.
        """

        async def shown(request: Request) -> Response:
            try:
                headers = dict(request.scope["headers"])
                key = await self._admission.authenticate(headers, request.scope, by_browser=by_browser)
                if of_everybody and key is not None and key.tenant is not None:
                    problem = f"this shows all tenants, and the API key is only for the tenant {key.tenant!r}"
                    raise Refused(403, problem, code="not_allowed")
                return await endpoint(self._worker, request, key)
            except RouterctlError as error:
                failed = _failed(request, problem_of(error))
                if by_browser and failed.status_code == 401:
                    failed.headers["www-authenticate"] = 'Basic realm="an API key as the password", charset="UTF-8"'
                return failed

        return shown

    async def ready(self, _request: Request) -> Response:
        """Tell whether requests may be sent here: not during start-up, and not while draining."""
        if self._worker.is_ready:
            table = self._worker.table
            return JSONResponse({"status": "ready", "table_version": table.table_version, "table_digest": table.digest})
        return JSONResponse({"status": "draining" if self._worker.is_draining else "starting"}, status_code=503)


async def _alive(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _models(worker: Worker, request: Request, key: Key | None) -> Response:
    known = models_of(worker.table, key)
    if _shape(request) == "messages":
        listed = [_of_anthropic(name) for name in known]
        ends = {"first_id": known[0] if known else None, "last_id": known[-1] if known else None}
        return JSONResponse({"data": listed, "has_more": False, **ends})
    return JSONResponse({"object": "list", "data": [_of_openai(name) for name in known]})


async def _model(worker: Worker, request: Request, key: Key | None) -> Response:
    name, known = request.path_params["id"], models_of(worker.table, key)
    pins = {one.model for one in worker.table.candidates.values()}
    if name not in known and name not in pins:
        raise Refused(404, f"no model {name!r} here{nearest(name, known)}", code="model_not_found")
    return JSONResponse(_of_anthropic(name) if _shape(request) == "messages" else _of_openai(name))


def models_of(table: Table, key: Key | None = None) -> list[str]:
    """Give what a request's model may be: auto, each class and each candidate that the key allows."""
    classes: Iterable[str] = table.routes
    candidates: Iterable[str] = table.candidates
    if key is not None and key.classes:
        classes = [name for name in classes if name in key.classes]
    if key is not None and key.models:
        candidates = [name for name in candidates if {name, table.candidates[name].model} & set(key.models)]
    return [AUTO, *(f"{CLASS}{name}" for name in classes), *candidates]


_SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def _of_openai(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": int(_SINCE.timestamp()), "owned_by": _OWNER}


def _of_anthropic(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": _SINCE.isoformat()}


def _shape(request: Request) -> ApiFormat:
    """Tell in which API's format to answer, from path and headers."""
    path = request.url.path
    if "anthropic-version" in request.headers or path.startswith("/v1/messages"):
        return "messages"
    return "responses" if path.startswith("/v1/responses") else "chat"


def _not_there(request: Request, status: int, *, ui: bool) -> Response:
    """Answer a request for a path or a method that does not exist, in the API's own format."""
    path = request.url.path
    if path in PATHS or status == 405:
        expected = "POST" if path in PATHS else "GET"
        problem = Problem(status=405, code="method_not_allowed", message=f"{path}: expected {expected}")
        answer = _failed(request, problem)
        answer.headers["allow"] = expected
        return answer
    known = [*PATHS, "/v1/models", "/healthz", "/readyz", "/metrics", *(["/ui"] if ui else [])]
    message = f"no such path: {request.method} {path}{nearest(path, known)}"
    return _failed(request, Problem(status=status, code="not_found", message=message, may_retry=False))


def _failed(request: Request, problem: Problem) -> Response:
    status, body, headers = error_response(_shape(request), problem, "")
    return Response(body, status_code=status, headers={name.decode(): value.decode() for name, value in headers})
