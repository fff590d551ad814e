"""The pages of the service: what they show of a real log, table and state, and that they stay inert."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from routerctl import Router
from routerctl.errors import InputError, Overloaded, StateDown
from routerctl.routing.budgets import open_books, purses_of, settled
from routerctl.routing.decision_log import DecisionLog
from routerctl.routing.decision_log.spending import Spending
from routerctl.routing.health import Health
from routerctl.routing.state import STATE_FILE, StateStore, open_state
from routerctl.routing.tenants import DECISIONS_FILE
from routerctl.service.ui import UiSource, log_files, routes, shown_places
from routerctl.service.ui.params import read_params
from routerctl.service.ui.queries import PAGE_ROWS, Cached
from routerctl.service.ui.render import SHOWN_TENANTS, with_others
from routerctl.table import load_table, table_text, with_digest
from routerctl.types import Budget, Inquiry, PlaceKey, StopReason, Table, Tenant
from tests.conftest import Project
from tests.test_decisions import BUSY, DECISION, FAILED, SERVED

PAGES = ("/ui", "/ui/decisions", "/ui/table", "/ui/health", "/ui/budgets")
NOW = datetime(2026, 12, 1, 15, 30, tzinfo=UTC)
HOSTILE = '<script>pwned()</script><a href="https://evil.example">\u202e"\'</a>\x1b[31m{{ 7 * 7 }}'
PLACE = PlaceKey("fake", "model-large")


@dataclass(frozen=True, slots=True)
class Shown:
    """A reply of the pages."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def words(self) -> str:
        """What a reader sees, blanks run together."""
        return " ".join(_Words.of(self.text).split())


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.said, self.tags = list[str](), list[tuple[str, dict[str, str | None]]]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    @classmethod
    def of(cls, html: str) -> str:
        parser = cls()
        parser.feed(html)
        return " ".join(parser.said)


def tags_of(html: str) -> list[tuple[str, dict[str, str | None]]]:
    """Every tag of a page with its attributes."""
    parser = _Words()
    parser.feed(html)
    return parser.tags


def ask(app: Any, path: str, query: str = "", **scope: Any) -> Shown:
    """Ask an ASGI application for a page."""
    sent = list[Any]()

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    given = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": [], **scope}
    asyncio.run(app(given, receive, send))
    start, *parts = sent
    return Shown(
        start["status"],
        {name.decode(): value.decode() for name, value in start["headers"]},
        b"".join(part.get("body", b"") for part in parts).decode(),
    )


@dataclass(slots=True)
class Site:
    """The pages of a project, with what they read in reach."""

    root: Path
    store: StateStore
    health: Health
    now: datetime = NOW

    @property
    def table(self) -> Table:
        """The project's table, as it is now."""
        return load_table(self.root / "routes.yaml")

    def change(self, **changes: Any) -> None:
        """Give the table other fields."""
        changed = with_digest(replace(self.table, **changes))
        (self.root / "routes.yaml").write_text(table_text(changed), encoding="utf-8")

    def source(self, **changes: Any) -> UiSource:
        """Where the pages read."""

        def books() -> Any:
            return open_books(self.table.routing.budgets, self.store, self.now)

        made = UiSource(
            table=lambda: self.table,
            logs=lambda: log_files(self.table, self.root),
            places=lambda: shown_places(self.table, self.health),
            books=books,
            now=lambda: self.now,
        )
        return replace(made, **changes)

    def app(self, **changes: Any) -> Starlette:
        """The pages, mounted."""
        return Starlette(routes=routes(self.source(**changes)))

    def get(self, path: str, query: str = "") -> Shown:
        """Ask for one page."""
        return ask(self.app(), path, query)

    def log(self, *decisions: Any, tenant: str | None = None, file: str = DECISIONS_FILE, **more: Any) -> None:
        """Write decisions into a log, a minute apart, the last one a minute ago; each a decision or (it, prompt)."""
        log = DecisionLog(self.root / file, keep_prompts=True)
        for number, decision in enumerate(decisions):
            at = self.now - timedelta(minutes=len(decisions) - number)
            inquiry = Inquiry(prompt=more.get("prompt", "1+1"), tenant=tenant, id=more.get("id"))
            reply = None if decision.candidate is None else more.get("reply", "2")
            made = f"{more.get('start', '0')}{number:031x}"
            log.append(decision, inquiry, decision_id=made, at=at.isoformat(), reply=reply, stop_reason=StopReason.END)
        log.close()


@contextmanager
def site_of(root: Path) -> Iterator[Site]:
    """The pages of the project in a folder."""
    store = open_state(root / STATE_FILE, warn=pytest.fail)
    health = Health(store, clock=NOW.timestamp, rng=random.Random(1), every_s=None)  # noqa: S311 - jitter
    yield Site(root, store, health)
    health.close()
    store.close()


@pytest.fixture
def site(served: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The pages of a project that was evaluated and has served nothing."""
    monkeypatch.chdir(served.root)
    with site_of(served.root) as made:
        yield made


def test_what_a_router_decided_is_shown(site: Site) -> None:
    """Real decisions are counted on the overview, listed, and told one by one in the words of `log show`."""
    with Router.open_sync(site.root / "routes.yaml") as router:
        ids = [router.route(f"1+{k}", task_class="sums", tenant="acme").decision.id for k in range(3)]
    site.now = datetime.now(UTC)
    overview, listed, one = site.get("/ui"), site.get("/ui/decisions"), site.get(f"/ui/decisions/{ids[0]}")
    assert "requests in the last 24 hours 3 spent" in overview.words
    assert "acme" in overview.words
    assert [match in listed.text for match in ids] == [True] * 3
    assert "large: model-large, as pinned" in one.words
    assert "sums, named by the caller" in one.words
    assert "not kept (routing: log_prompts in routerctl.yaml keeps them)" in one.words


def test_empty_pages_say_what_to_do(site: Site) -> None:
    """Without a log, a state or a budget each page is there and says how it gets something to show."""
    shown = {path: site.get(path) for path in PAGES}
    assert {one.status for one in shown.values()} == {200}
    assert "send it a request" in shown["/ui"].words
    assert "send it a request" in shown["/ui/decisions"].words
    assert "under routing:" in shown["/ui/budgets"].words
    assert "closed" in shown["/ui/health"].words
    site.change(routes={})
    assert "routerctl build-table" in site.get("/ui/table").words
    assert "routerctl build-table" in site.get("/ui").words
    assert "has no place that can be called" in site.get("/ui/health").words


@pytest.mark.parametrize("path", [*PAGES, "/ui/decisions/none", "/ui/style.css", "/ui/icon.svg", "/ui?refresh=x"])
def test_every_reply_forbids_scripts_frames_and_copies(site: Site, path: str) -> None:
    """The policy admits the own style sheet and icon and nothing else; nothing is kept by a cache, a page is text."""
    shown = site.get(*path.split("?"))
    policy = dict(part.strip().partition(" ")[::2] for part in shown.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["style-src"] == policy["img-src"] == policy["form-action"] == "'self'"
    assert "unsafe" not in shown.headers["content-security-policy"]
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert shown.headers["referrer-policy"] == "no-referrer"
    assert shown.headers["cache-control"] == "no-store"
    tags = tags_of(shown.text)
    assert not {"script", "iframe", "object", "style"} & {tag for tag, _ in tags}
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on") or name == "style"]


def test_hostile_text_stays_text(site: Site) -> None:
    """Prompts, replies, names, errors and queries come out as text, controls made visible, and make no link."""
    hop = replace(BUSY, detail=HOSTILE, candidate=HOSTILE)
    decision = replace(DECISION, task_class=HOSTILE, decided_by=f"rule {HOSTILE}", hops=(hop, SERVED))
    site.log(decision, tenant=HOSTILE, prompt=HOSTILE, reply=HOSTILE, id=HOSTILE)
    site.change(routes={"sums": replace(site.table.routes["sums"], description=HOSTILE, verdict=HOSTILE)})
    query = "tenant=" + "%3Cscript%3Ex%3C%2Fscript%3E%E2%80%AE"
    pages = [site.get(path) for path in PAGES]
    pages += [site.get("/ui/decisions", query), site.get("/ui/decisions/" + "0" * 32), site.get("/ui", query)]
    for shown in pages:
        tags = tags_of(shown.text)
        assert "script" not in {tag for tag, _ in tags}
        links = [attributes.get("href") or "" for tag, attributes in tags if tag in ("a", "link")]
        assert [link for link in links if not link.startswith(("/ui", "#main"))] == []
        assert not re.search("[\u202e\x1b]", shown.text)
    assert "\u27e8U+202E\u27e9" in pages[-2].text
    assert "\u27e8ESC\u27e9[31m{{ 7 * 7 }}" in pages[-2].text


def test_secrets_are_struck_out(site: Site) -> None:
    """A key that this process knows stands in no page, even where something wrote it down before it was known."""
    from routerctl import redaction

    site.log(replace(DECISION, hops=(replace(BUSY, detail="key sk-made-up-0123456789"), SERVED)))
    assert "sk-made-up" in site.get("/ui/decisions/" + "0" * 32).text
    before = redaction._known[0]
    try:
        redaction.learn(["sk-made-up-0123456789"])
        assert "sk-made-up" not in site.get("/ui/decisions/" + "0" * 32).text
    finally:
        redaction._known[0] = before


def test_decisions_are_filtered(site: Site) -> None:
    """By outcome, class, tenant and candidate, alone and together, and what was asked stays in the form."""
    site.log(DECISION, replace(DECISION, hops=(BUSY, replace(SERVED, why="fallback"))), FAILED, tenant="acme")
    ids = {query: len(re.findall(r'class="id"', site.get("/ui/decisions", query).text)) for query in QUERIES}
    assert ids == QUERIES
    assert "<option selected>failed</option>" in site.get("/ui/decisions", "outcome=failed").text


QUERIES = {
    "": 3,
    "outcome=failed": 1,
    "outcome=fallback": 2,
    "tenant=acme&outcome=served": 2,
    "tenant=globex": 0,
    "class=none": 0,
    "since=30m": 3,
    "since=90s": 1,
}


@pytest.mark.parametrize(
    ("path", "query", "status", "problem"),
    [
        ("/ui/decisions", "clas=sums", 400, "this page has no parameter 'clas'; did you mean 'class'"),
        ("/ui/decisions", "outcome=faild", 400, "no outcome 'faild'; did you mean 'failed'"),
        ("/ui/decisions", "since=yesterday", 400, "--since: expected 30m, 2h, 7d, 2w or a moment"),
        ("/ui/decisions", "tenant=a&tenant=b", 400, "tenant: expected one value, got two"),
        ("/ui/decisions", "tenant=" + "a" * 201, 400, "tenant: expected at most 200 characters, got 201"),
        ("/ui/decisions", "before=nobody", 400, "no decision 'nobody' in the log"),
        ("/ui", "refresh=0", 400, "refresh: expected whole seconds from 2 to 3600, got '0'"),
        ("/ui", "refresh=%C2%B2", 400, "refresh: expected whole seconds"),
        ("/ui/decisions/nobody", "", 404, "no decision 'nobody' in the log"),
        ("/ui/table", "tier=gold", 404, "no tier 'gold'"),
    ],
)
def test_what_cannot_be_meant_is_said_in_one_line(site: Site, path: str, query: str, status: int, problem: str) -> None:
    """With the right status, and what was expected."""
    site.log(DECISION)
    shown = site.get(path, query)
    assert shown.status == status
    assert problem in shown.words


def test_pages_of_several_logs_follow_each_other(site: Site) -> None:
    """Paging goes through all logs together: each decision is on one page, newest first, ties included."""
    tenants = {"acme": Tenant(name="acme"), "zeta": Tenant(name="zeta")}
    site.change(routing=replace(site.table.routing, tenants=tenants))
    files = log_files(site.table, site.root)
    for start, (name, path) in zip("abc", files.items(), strict=True):
        site.log(*[DECISION] * 90, tenant=name, file=str(path.relative_to(site.root)), start=start)
    seen, queries = list[str](), [""]
    while queries:
        shown = site.get("/ui/decisions", queries.pop())
        seen += re.findall(r'href="/ui/decisions/([0-9a-f]{32})"', shown.text)
        queries += re.findall(r'href="/ui/decisions\?(before=[^"]*)">Older', shown.text)
    assert len(seen) == len(set(seen)) == 270 > 2 * PAGE_ROWS
    assert [int(one[1:], 16) for one in seen] == sorted((int(one[1:], 16) for one in seen), reverse=True)
    assert len(re.findall('class="id"', site.get("/ui/decisions", "tenant=zeta").text)) == 90


def test_spending_adds_up(site: Site) -> None:
    """What classes and tenants spent adds up to the total; what a call may have cost is said beside it."""
    dear = replace(SERVED, cost_usd=Decimal("1.25"), perhaps_usd=Decimal("0.25"))
    site.log(replace(DECISION, hops=(dear,)), tenant="acme")
    site.log(replace(DECISION, task_class="other", hops=(replace(SERVED, cost_usd=Decimal(2)),)), start="f")
    words = site.get("/ui").words
    assert "acme $1.25 to $1.50 $1.25 to $1.50 $1.25 to $1.50" in words
    assert "(none) $2.00 $2.00 $2.00" in words
    assert words.count("All $3.25 to $3.50 $3.25 to $3.50 $3.25 to $3.50") == 2


def test_old_spending_leaves_the_shorter_periods(site: Site) -> None:
    """A decision of five days ago counts in 7 and 30 days, not today."""
    site.log(replace(DECISION, hops=(replace(SERVED, cost_usd=Decimal("0.5")),)), tenant="acme")
    site.now += timedelta(days=5)
    assert "acme $0 $0.50 $0.50" in site.get("/ui").words


def test_many_tenants_end_in_one_row_that_adds_up() -> None:
    """Those that spent least are counted and summed, so that the column still adds up."""
    spent = {f"t{k}": (Spending(cost_usd=Decimal(100 - k)),) for k in range(SHOWN_TENANTS + 5)}
    rows = list(with_others(spent))  # type: ignore[arg-type]  # every tenant is named
    assert len(rows) == SHOWN_TENANTS + 1
    assert rows[-1][0].startswith("5")
    assert sum(one[0].cost_usd for _, one in rows) == sum(one[0].cost_usd for one in spent.values())


def test_a_place_that_is_shut_is_seen_at_once(site: Site) -> None:
    """Its breaker stands on the health page with its last error, and the overview asks for attention."""
    for _ in range(5):
        site.health.record(PLACE, Overloaded("busy", provider="fake", status=529), None)
    health, overview = site.get("/ui/health"), site.get("/ui")
    assert "open for 0 s, after Overloaded" in health.words.replace("\xa0", " ")
    assert "Overloaded (HTTP 529)" in health.words
    assert "its breaker is open after Overloaded (HTTP 529)" in overview.words


def test_budgets_are_shown_with_what_is_left(site: Site) -> None:
    """Spent, left and cap of each purse, and of a budget that serves beyond its cap that it does."""
    budget = Budget(name="spend", cap_usd=Decimal(2), per="tenant", over="cheap", cheap=("small",))
    site.change(routing=replace(site.table.routing, budgets=(budget,)))
    (purse,) = purses_of([budget], Inquiry(prompt="1", tenant="acme"), "sums", NOW)
    site.store.update([purse.key], lambda _: ({purse.key: settled(None, "h", Decimal("1.5"))}, None))
    shown = site.get("/ui/budgets")
    assert "tenant acme $1.50 $0 $0.50 $2.00 75.0% 2027-01-01 00:00" in shown.words
    assert "over its cap, small still serves" in shown.words


def test_a_state_that_is_down_is_said(site: Site) -> None:
    """The budgets page has the status of a service that cannot answer now; the others go on."""

    def down() -> Any:
        raise StateDown("the shared state cannot be reached")

    app = site.app(books=down)
    shown = ask(app, "/ui/budgets")
    assert (shown.status, "cannot be reached" in shown.words) == (503, True)
    assert ask(app, "/ui").status == 200


def test_a_damaged_log_is_named(site: Site) -> None:
    """A file that is no decision log is our trouble, not the viewer's."""
    (site.root / DECISIONS_FILE).parent.mkdir(exist_ok=True)
    (site.root / DECISIONS_FILE).write_bytes(b"no database " * 100)
    shown = site.get("/ui/decisions")
    assert (shown.status, "cannot be read as a decision log" in shown.words) == (500, True)


def test_the_table_page_has_the_evidence(site: Site) -> None:
    """Ladder, level, score with its interval, pins, prices and digests, and which candidate serves."""
    shown, table = site.get("/ui/table"), site.table
    route = table.routes["sums"]
    for said in (table.digest, route.eval_set_digest, route.run_id, "model-small", "made up", "100.0%"):
        assert said in shown.text
    assert re.search(r"large chosen proven", shown.words)


def test_a_tier_has_its_own_table(site: Site) -> None:
    """It is chosen by its name, and the project's own stays the first."""
    gold = with_digest(replace(site.table, table_version=41))
    app = site.app(tiers=lambda: {"gold": gold})
    assert gold.digest in ask(app, "/ui/table", "tier=gold").text
    assert gold.digest not in ask(app, "/ui/table").text


def test_a_live_page_refreshes_only_where_asked(site: Site) -> None:
    """`?refresh=5` asks the browser to come again, and stays in the links that the filters make."""
    assert "http-equiv" not in site.get("/ui/decisions").text
    shown = site.get("/ui/decisions", "refresh=5&outcome=failed")
    assert '<meta http-equiv="refresh" content="5">' in shown.text
    assert 'href="/ui/decisions?outcome=failed">stop' in shown.text


def test_links_hold_below_a_prefix(site: Site) -> None:
    """Behind a proxy that adds a path, links and the style sheet lead below it."""
    shown = ask(site.app(), "/prefix/ui", root_path="/prefix")
    links = [attributes.get("href") or "" for tag, attributes in tags_of(shown.text) if tag in ("a", "link")]
    assert all(link.startswith(("/prefix/ui", "#")) for link in links)


def test_figures_are_kept_as_long_as_they_took(site: Site) -> None:
    """Many viewers read the log once; one that takes ten seconds is read again after ninety."""
    clock, took, read = [0.0], [0.0], list[int]()

    def reading() -> int:
        clock[0] += took[0]
        read.append(1)
        return len(read)

    kept = Cached(reading, clock=lambda: clock[0])
    assert [kept.get(), kept.get()] == [1, 1]
    clock[0], took[0] = 2.0, 10.0
    assert kept.get() == 2
    clock[0] += 89
    assert kept.get() == 2
    clock[0] += 1
    assert kept.get() == 3


def test_an_empty_value_is_no_filter() -> None:
    """A form sends all its fields; those left empty choose nothing and leave the address."""
    asked = read_params([("class", ""), ("tenant", " acme ")], ("class", "tenant"))
    assert asked.query == {"tenant": "acme"}
    assert asked.with_query(before="1") == "?tenant=acme&before=1"
    with pytest.raises(InputError, match="no parameter 'x'"):
        read_params([("x", "1")], ())
