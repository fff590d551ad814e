"""Who sees the pages that tell of everybody: metrics and the page for people."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from routerctl.service.key_admin import KeyOptions, create
from routerctl.testing.emulator import Emulator
from tests.service_rig import Service, base_table, serving, table_for


def _basic(password: str) -> str:
    return f"Basic {b64encode(f'anybody:{password}'.encode()).decode()}"


def _key(root: Path, **options: str) -> str:
    return create(root / "routes.yaml", KeyOptions(**options), datetime.now(UTC))[1]  # type: ignore[arg-type]  # texts


async def _status(service: Service, path: str, authorization: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            "POST" if path.startswith("/v1/chat") else "GET",
            service.url + path,
            headers={"authorization": authorization} if authorization else {},
        ) as answer,
    ):
        return answer.status, answer.headers.get("www-authenticate", "")


async def test_a_browser_asks_for_the_key_and_sends_it_as_a_password(built: Path, tmp_path: Path) -> None:
    """/ui asks for it and takes it so; what applications ask takes it in no such way, or any page could ask."""
    async with (
        Emulator() as far,
        serving(tmp_path, table_for(base_table(built), far), ui=True, require_keys=True) as service,
    ):
        secret = _key(tmp_path, name="app")
        status, asks = await _status(service, "/ui", "")
        assert (status, asks.partition(" ")[0]) == (401, "Basic")
        assert [
            (await _status(service, path, authorization))[0]
            for path, authorization in (
                ("/ui", _basic(secret)),
                ("/ui/style.css", _basic(secret)),
                ("/ui", f"Bearer {secret}"),
                ("/ui", _basic("rk_wrong")),
                ("/ui", "Basic ???"),
                ("/metrics", _basic(secret)),
                ("/v1/models", _basic(secret)),
                ("/v1/chat/completions", _basic(secret)),
            )
        ] == [200, 200, 200, 401, 401, 401, 401, 401]


async def test_a_path_that_there_is_not_is_answered_and_logged(
    built: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A base URL without /v1 is seen on both sides: the nearest path in the answer, a line in the log."""
    async with (
        Emulator() as far,
        serving(tmp_path, table_for(base_table(built), far), access_log="json") as service,
        aiohttp.ClientSession() as session,
    ):
        async with session.post(f"{service.url}/chat/completions", json={}) as answer:
            said = (await answer.json())["error"]
        async with session.get(f"{service.url}/v1/model") as answer:
            near = (await answer.json())["error"]["message"]
    assert (said["code"], "did you mean '/v1/chat/completions'?" in said["message"]) == ("not_found", True)
    assert "did you mean '/v1/models'?" in near
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(line["method"], line["path"], line["status"], line["error"]) for line in lines] == [
        ("POST", "/chat/completions", 404, "not_found"),
        ("GET", "/v1/model", 404, "not_found"),
    ]


@pytest.mark.parametrize("path", ["/ui", "/ui/decisions", "/metrics"])
async def test_what_tells_of_all_tenants_is_not_for_the_key_of_one(built: Path, tmp_path: Path, path: str) -> None:
    """It gets 403, and its own list of models as before."""
    async with (
        Emulator() as far,
        serving(tmp_path, table_for(base_table(built), far), ui=True, require_keys=True) as service,
    ):
        mine = _key(tmp_path, name="acme", tenant="acme")
        every = _key(tmp_path, name="app")
        assert (await _status(service, path, f"Bearer {mine}"))[0] == 403
        assert (await _status(service, path, f"Bearer {every}"))[0] == 200
        assert (await _status(service, "/v1/models", f"Bearer {mine}"))[0] == 200
