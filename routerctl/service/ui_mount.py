"""What is open in a worker -> the routes of /ui, which are admitted like any other request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from routerctl.service.ui import ShownPlace, UiSource, log_files, routes, shown_places
from routerctl.types import Table

if TYPE_CHECKING:
    from routerctl.service.worker import Worker


def ui_routes(worker: Worker, protect: Callable[[Callable[[Request], Awaitable[Response]]], object]) -> list[Route]:
    """Give the routes of /ui; `protect`: makes an endpoint admit a request first."""
    found = routes(_source(worker))
    return [Route(one.path, protect(one.endpoint), methods=["GET"]) for one in found]  # type: ignore[arg-type]  # protected


def _source(worker: Worker) -> UiSource:
    def places() -> Sequence[ShownPlace]:
        return [
            place
            for opened in worker.opened()
            for place in shown_places(opened.table, opened.health, opened.tenant.name if opened.tenant else None)
        ]

    def tiers() -> dict[str, Table]:
        return {one.tenant.tier: one.table for one in worker.opened() if one.tenant and one.tenant.tier}

    return UiSource(
        table=lambda: worker.table,
        logs=lambda: log_files(worker.table, worker.root),
        places=places,
        books=worker.open_books,
        now=lambda: datetime.now().astimezone(),
        tiers=tiers,
    )
