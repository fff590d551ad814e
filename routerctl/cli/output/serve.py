"""The options of `routerctl serve` -> the service, where its packages are installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from routerctl.cli.output.terminal import notify
from routerctl.errors import InputError

_PACKAGES = ("uvicorn", "uvloop", "httptools", "starlette", "prometheus_client")


def run_service(table: Path, **options: Any) -> None:
    """Serve until a signal ends it; raises InputError."""
    lacking = [name for name in _PACKAGES if find_spec(name) is None]
    if lacking:
        raise InputError(f"serving needs {', '.join(lacking)}: pip install 'routerctl[serve]'")
    from routerctl.service.serve import Options, serve

    serve(Options(table=str(table), **options), notify)
