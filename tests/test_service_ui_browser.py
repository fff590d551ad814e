"""The pages of the service in headless Chromium: they fit their window, obey their policy, and paint."""

from __future__ import annotations

import asyncio
import json
import shutil
import struct
import subprocess
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn

from routerctl.errors import Overloaded
from routerctl.types import Budget, PlaceKey
from tests.test_decisions import BUSY, DECISION, FAILED, SERVED, UNSURE
from tests.test_service_ui import HOSTILE, PAGES, Site, site_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH to open the pages with"),
]
OWN_TABLE = Path(__file__).parents[1] / "routes.yaml"
WIDTHS = {"phone": 390, "desk": 1280}
MEASURE = """JSON.stringify({
  scroll: document.documentElement.scrollWidth, client: document.documentElement.clientWidth,
  h1: getComputedStyle(document.querySelector("h1")).fontSize, pwned: typeof pwned, scripts: document.scripts.length,
  heads: document.querySelectorAll("h1").length, unscoped: document.querySelectorAll("th:not([scope])").length,
  loaded: performance.getEntriesByType("resource").map(one => new URL(one.name).pathname).sort(),
})"""
# The least contrast of a text with what is behind it, by the formula of WCAG 2.2 (relative luminance).
CONTRAST = """(() => {
  const part = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * part(r / 255) + 0.7152 * part(g / 255) + 0.0722 * part(b / 255);
  const behind = element => {
    for (let one = element; one; one = one.parentElement) {
      const colour = rgb(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return rgb(getComputedStyle(document.body).backgroundColor);
  };
  const texts = [...document.querySelectorAll("main *, header *")].filter(
    one => [...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()));
  return Math.min(...texts.map(one => {
    const [a, b] = [light(rgb(getComputedStyle(one).color)), light(behind(one))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  }));
})()"""


class Browser:
    """A page of Chromium, driven by its own protocol (https://chromedevtools.github.io/devtools-protocol/)."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._sent = socket, 0
        self.said = list[str]()  # what the console and the log of the browser said

    async def call(self, method: str, **given: Any) -> dict[str, Any]:
        """Ask for something and wait for the reply."""
        self._sent += 1
        await self._socket.send_json({"id": self._sent, "method": method, "params": given})
        while True:
            message = await self._next()
            if message.get("id") == self._sent:
                assert "error" not in message, message
                found: dict[str, Any] = message["result"]
                return found

    async def open(self, url: str, width: int, scheme: str) -> None:
        """Load a page in a window of this width."""
        phone = width < 500
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=phone
        )
        await self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        await self.call("Page.navigate", url=url)
        while (await self._next()).get("method") != "Page.loadEventFired":
            pass

    async def evaluate(self, expression: str) -> Any:
        """Ask the page something, from outside: its policy forbids scripts of its own."""
        return (await self.call("Runtime.evaluate", expression=expression))["result"]["value"]

    async def picture(self) -> bytes:
        """Paint the whole page."""
        found = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return b64decode(found["data"])

    async def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = await self._socket.receive_json(timeout=30)
        if message.get("method") in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
            self.said.append(str(message["params"]))
        return message


@dataclass(frozen=True, slots=True)
class Seen:
    """A page as the browser showed it."""

    found: dict[str, Any]
    contrast: float
    image: bytes
    said: tuple[str, ...]


@contextmanager
def _serving(app: Any) -> Iterator[str]:
    """Serve an application on a port of its own."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            threading.Event().wait(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def _chromium(folder: Path) -> Iterator[str]:
    """Start a browser; gives the address of its protocol."""
    assert CHROMIUM is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars"]
    flags += ["--disable-component-update", "--disable-sync", "--no-first-run", "--remote-debugging-port=0"]
    said = folder / "DevToolsActivePort"
    process = subprocess.Popen(
        [CHROMIUM, *flags, f"--user-data-dir={folder}", "about:blank"], stderr=subprocess.DEVNULL
    )
    try:
        while not (said.exists() and said.read_text().count("\n")):
            assert process.poll() is None
            threading.Event().wait(0.05)
        yield f"http://127.0.0.1:{said.read_text().splitlines()[0]}"
    finally:
        process.terminate()
        process.wait(20)


async def _seen(devtools: str, site: str, pages: list[str]) -> dict[tuple[str, str, str], Seen]:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{devtools}/json/list") as reply:
            address = next(one["webSocketDebuggerUrl"] for one in await reply.json() if one["type"] == "page")
        async with session.ws_connect(address, max_msg_size=0) as socket:
            browser, seen = Browser(socket), dict[tuple[str, str, str], Seen]()
            for domain in ("Page", "Log", "Runtime"):
                await browser.call(f"{domain}.enable")
            for path in pages:
                for name, width in WIDTHS.items():
                    for scheme in ("light", "dark"):
                        await browser.open(site + path, width, scheme)
                        found = json.loads(await browser.evaluate(MEASURE))
                        contrast = await browser.evaluate(CONTRAST)
                        image = await browser.picture()
                        seen[path, name, scheme] = Seen(found, contrast, image, tuple(browser.said))
                        browser.said.clear()
            return seen


def _fill(site: Site) -> None:
    """Give the pages of our own table something to show: tenants, classes, failures, a place that is shut, budgets."""
    names = list(site.table.routes)
    unsure = replace(DECISION, hops=(UNSURE, replace(SERVED, why="escalation", cost_usd=Decimal("0.0123"))))
    dear = replace(SERVED, cost_usd=Decimal("1.2345"), perhaps_usd=Decimal("0.25"), served_model="another-model")
    kinds = [DECISION, unsure, FAILED, replace(DECISION, hops=(dear,)), replace(DECISION, hops=(BUSY, SERVED))]
    several = [replace(kinds[k % len(kinds)], task_class=names[k % len(names)]) for k in range(105)]
    site.log(*several, tenant="acme", start="a")
    site.log(*several[:20], start="b")
    hostile = replace(BUSY, detail=HOSTILE * 20, candidate="w" * 120)
    wide = replace(DECISION, task_class="a-class-with-a-rather-long-name-" * 4, hops=(hostile, SERVED))
    site.log(wide, tenant="t" * 90, prompt=HOSTILE + "x" * 400 + "\n" + "words " * 300, reply="y" * 300, start="c")
    budget = Budget(name="whole", cap_usd=Decimal(100))
    per = Budget(name="each", cap_usd=Decimal(5), period="day", per="tenant")
    site.change(routing=replace(site.table.routing, budgets=(budget, per)))
    place = next(iter(site.table.candidates.values()))
    for _ in range(5):
        site.health.record(
            PlaceKey(place.provider, place.model), Overloaded("busy", provider=place.provider, status=529), None
        )


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str], Seen]:
    """Each page at two widths and in both colour schemes, painted and measured."""
    root = tmp_path_factory.mktemp("pages")
    shutil.copy(OWN_TABLE, root / "routes.yaml")
    with site_of(root) as site, _chromium(root / "profile") as devtools:
        _fill(site)
        pages = [*PAGES, f"/ui/decisions/c{'0' * 31}", "/ui/decisions?outcome=faild", "/ui/decisions?tenant=nobody"]
        with _serving(site.app()) as address:
            return asyncio.run(_seen(devtools, address, pages))


def test_no_page_scrolls_sideways(seen: dict[tuple[str, str, str], Seen]) -> None:
    """On a phone and on a desk, whatever long names and texts are in it."""
    wide = {key: one.found for key, one in seen.items() if one.found["scroll"] > one.found["client"]}
    assert wide == {}
    assert {one.found["client"] for one in seen.values()} == set(WIDTHS.values())


def test_the_policy_is_obeyed_and_nothing_runs(seen: dict[tuple[str, str, str], Seen]) -> None:
    """The console is silent, the style sheet applies, nothing else is loaded, and no script is there."""
    for (path, width, _), one in seen.items():
        errors = [said for said in one.said if "status of 400" not in said]
        assert errors == [], path
        assert one.found["h1"] == ("24px" if width == "phone" else "28px")
        assert (one.found["pwned"], one.found["scripts"]) == ("undefined", 0)
        assert set(one.found["loaded"]) <= {"/ui/style.css", "/ui/icon.svg"}


def test_pages_can_be_read_by_everybody(seen: dict[tuple[str, str, str], Seen]) -> None:
    """One main heading, heads of tables with a scope, and a contrast of 4.5 at least in both colour schemes (AA)."""
    for key, one in seen.items():
        assert (one.found["heads"], one.found["unscoped"]) == (1, 0), key
        assert one.contrast >= 4.5, key


def test_the_pages_paint(seen: dict[tuple[str, str, str], Seen], tmp_path: Path) -> None:
    """In each colour scheme the browser paints a picture as wide as its window, and the two differ."""
    for (path, width, scheme), one in seen.items():
        assert struct.unpack(">I", one.image[16:20]) == (WIDTHS[width],)
        assert len(one.image) > 8_000, path  # a blank page has under 5 kB
        assert one.image != seen[path, width, "dark" if scheme == "light" else "light"].image
        name = path.strip("/").replace("/", "-").replace("?", "-")
        (tmp_path / f"{name}-{width}-{scheme}.png").write_bytes(one.image)
