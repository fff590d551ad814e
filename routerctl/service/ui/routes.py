"""A request for a page -> what is read for it, in a thread, and its HTML, with headers that keep it inert."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from routerctl.errors import InputError, RouterctlError, StateDown
from routerctl.routing.decision_log.reader import OUTCOMES
from routerctl.service.ui.params import FILTERS, PageParams, read_params, wanted_of
from routerctl.service.ui.queries import PERIODS, Cached, Figures, decision_detail, decisions_page, figures_at
from routerctl.service.ui.render import attention, icon, purses_of, render, style_sheet
from routerctl.service.ui.source import UiSource

_AT_ONCE = 2  # threads that read for these pages, so that viewers take none from the requests being served
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
Read = Callable[[Request, PageParams], dict[str, Any]]  # blocks; gives what the template shows


class NotFound(InputError):
    """What the address names does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """One page: its path, its template, its parameters, and what it reads."""

    path: str
    template: str
    read: Read
    known: tuple[str, ...] = ()


def routes(source: UiSource) -> list[Route]:
    """Give the routes of the pages, all below `/ui`; whoever mounts them decides who may see them."""
    pages = Pages(source)
    shown = [
        _Page(path="/ui", template="overview.html.j2", read=pages.overview),
        _Page(path="/ui/decisions", template="decisions.html.j2", read=pages.decisions, known=(*FILTERS, "before")),
        _Page(path="/ui/decisions/{id}", template="decision.html.j2", read=pages.decision),
        _Page(path="/ui/table", template="table.html.j2", read=pages.table, known=("tier",)),
        _Page(path="/ui/health", template="health.html.j2", read=pages.health),
        _Page(path="/ui/budgets", template="budgets.html.j2", read=pages.budgets),
    ]
    turns = asyncio.Semaphore(_AT_ONCE)
    return [
        *(Route(page.path, _endpoint(page, turns), methods=["GET"]) for page in shown),
        Route("/ui/style.css", _static(style_sheet, "text/css; charset=utf-8"), methods=["GET"]),
        Route("/ui/icon.svg", _static(icon, "image/svg+xml"), methods=["GET"]),
    ]


def _static(content: Callable[[], bytes], media_type: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_request: Request) -> Response:
        return Response(content(), media_type=media_type, headers=_HEADERS)

    return endpoint


def _endpoint(page: _Page, turns: asyncio.Semaphore) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        async with turns:
            status, html = await asyncio.to_thread(_answer, page, request)
        return Response(html, status, media_type="text/html; charset=utf-8", headers=_HEADERS)

    return endpoint


def _answer(page: _Page, request: Request) -> tuple[int, str]:
    """Read and render a page, or the error page."""
    common = {"base": f"{request.scope.get('root_path', '')}/ui", "path": page.path}
    try:
        params = read_params(request.query_params.multi_items(), page.known)
        return 200, render(page.template, **common, params=params, **page.read(request, params))
    except RouterctlError as error:
        params = PageParams(query={})
        return _status(error), render("problem.html.j2", **common, params=params, problem=str(error))


def _status(error: RouterctlError) -> int:
    if isinstance(error, NotFound):
        return 404
    if isinstance(error, StateDown):
        return 503
    return 400 if isinstance(error, InputError) and error.file is None else 500


class Pages:
    """What each page reads. Every method blocks."""

    def __init__(self, source: UiSource) -> None:
        """`source`: where it is read."""
        self._source = source
        self._figures = Cached[Figures](lambda: figures_at(source.logs(), source.now()))

    def overview(self, _request: Request, _params: PageParams) -> dict[str, Any]:
        """Read what serves each class, recent requests and spending, and which breakers are open."""
        table, figures, places = self._source.table(), self._figures.get(), self._source.places()
        day = {one.task_class: one for one in figures.day}
        return {
            "table": table,
            "figures": figures,
            "day": day,
            "gone": [name for name in day if name not in table.routes],
            "places": places,
            "flags": attention(table, places),
            "periods": PERIODS,
        }

    def decisions(self, _request: Request, params: PageParams) -> dict[str, Any]:
        """Read the latest decisions that match the query."""
        tables = [self._source.table(), *self._source.tiers().values()]
        logs = self._source.logs()
        page = decisions_page(logs, wanted_of(params, self._source.now()), params.query.get("before"))
        return {
            "page": page,
            "classes": sorted({name for table in tables for name in table.routes}),
            "candidates": list(dict.fromkeys(name for table in tables for name in table.candidates)),
            "outcomes": list(OUTCOMES),
            "filtered": bool(set(params.query) & {*FILTERS, "before"}),
        }

    def decision(self, request: Request, _params: PageParams) -> dict[str, Any]:
        """Read one decision."""
        try:
            return {"detail": decision_detail(self._source.logs(), request.path_params["id"])}
        except InputError as error:
            if error.file is not None:
                raise
            raise NotFound(error.problem) from None

    def table(self, _request: Request, params: PageParams) -> dict[str, Any]:
        """Read the project's table, or a tier's."""
        tiers, tier = self._source.tiers(), params.query.get("tier")
        if tier is not None and tier not in tiers:
            raise NotFound(f"no tier {tier!r}")
        return {"table": self._source.table() if tier is None else tiers[tier], "tier": tier, "tiers": sorted(tiers)}

    def health(self, _request: Request, _params: PageParams) -> dict[str, Any]:
        """Read the health of each place of the table."""
        places = self._source.places()
        return {
            "places": places,
            "now_s": self._source.now().timestamp(),
            "by_tenant": any(one.tenant is not None for one in places),
        }

    def budgets(self, _request: Request, _params: PageParams) -> dict[str, Any]:
        """Read the books of each budget."""
        return {"purses": purses_of(self._source.books())}
