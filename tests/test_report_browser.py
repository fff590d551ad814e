"""The report in headless Chromium: it fits its window, its policy is in force, and it paints."""

from __future__ import annotations

import html
import json
import re
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from routerctl.review.report import render_report
from tests.test_report import sample

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH to open the report with"),
]
# The probe holds the report in a frame of its own origin, measures it from outside, and writes what it found into its
# own page: the report's policy forbids scripts inside it, and `--dump-dom` has no other way to answer a question.
PROBE = """<!doctype html><meta charset="utf-8"><body>
<iframe id="report" width="{width}" height="900" srcdoc="{report}"></iframe><pre id="found"></pre><script>
document.getElementById("report").onload = event => {{
  const page = event.target.contentDocument, root = page.documentElement, view = page.defaultView;
  const size = element => view.getComputedStyle(element).fontSize;
  document.getElementById("found").textContent = JSON.stringify({{
    client: root.clientWidth, scroll: root.scrollWidth, title: page.title,
    h1: size(page.querySelector("h1")), lead: size(page.querySelector(".lead")),
    scripts: page.scripts.length, images: page.images.length, pwned: typeof view.pwned,
    sections: page.querySelectorAll("h2").length, pictures: page.querySelectorAll("svg.scatter").length,
    tallest: Math.max(...[...page.querySelectorAll("svg.scatter")].map(one => one.getBoundingClientRect().height)),
    outside: [...page.querySelectorAll("svg.scatter text")].filter(text => {{
      const box = text.getBBox(); return box.x < 0 || box.y < 0 || box.x + box.width > 560 || box.y + box.height > 330;
    }}).map(text => text.textContent),
    open: page.querySelectorAll("details[open]").length, loaded: view.performance.getEntriesByType("resource").length,
  }});
}};
</script>"""


def _chromium(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--hide-scrollbars",
        f"--user-data-dir={folder / 'profile'}",
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)


def _probe(folder: Path, report: str, width: int) -> dict[str, Any]:
    page = folder / "probe.html"
    page.write_text(PROBE.format(width=width, report=html.escape(report)), encoding="utf-8")
    dom = _chromium(folder, "--dump-dom", "--virtual-time-budget=5000", page.as_uri()).stdout
    answer = re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)
    assert answer is not None
    found: dict[str, Any] = json.loads(html.unescape(answer[1]))
    return found


@pytest.fixture(scope="module")
def report() -> str:
    """A report full of hostile replies, with a table before it."""
    table, runs = sample(full=True)
    return render_report(table, runs, sample(seed=3, version=6)[0])


@pytest.mark.parametrize("width", [400, 768, 1200])
def test_the_page_fits_its_window(tmp_path: Path, report: str, width: int) -> None:
    """At phone, tablet and desk width the page does not scroll sideways, and no picture's text leaves the picture."""
    found = _probe(tmp_path, report, width)
    assert found["client"] > width - 20
    assert found["scroll"] <= found["client"]
    assert found["outside"] == []
    assert found["sections"] == 8
    assert found["pictures"] == 6  # the sixth class had too few cases to decide, and what was run shows all the same
    assert found["tallest"] > 150


def test_the_policy_admits_the_style_sheet_and_nothing_runs(tmp_path: Path, report: str) -> None:
    """The style sheet applies under its hash; no script or image exists, nothing is loaded, the folds are closed."""
    found = _probe(tmp_path, report, 1200)
    assert (found["h1"], found["lead"]) == ("34px", "19px")
    assert (found["scripts"], found["images"], found["pwned"], found["loaded"]) == (0, 0, "undefined", 0)
    assert found["open"] == 0


def test_a_style_sheet_of_another_hash_is_refused(tmp_path: Path, report: str) -> None:
    """The policy is in force: one character more in the style sheet, and the browser ignores it."""
    found = _probe(tmp_path, report.replace("</style>", " </style>"), 1200)
    assert found["h1"] != "34px"


def test_screenshots(tmp_path: Path, report: str) -> None:
    """In both colour schemes the browser paints a picture of the size asked for, and the two differ."""
    page, painted = tmp_path / "report.html", []
    page.write_text(report, encoding="utf-8")
    for scheme in ("0", "1"):  # dark, light
        picture = tmp_path / f"{scheme}.png"
        settings = f"--blink-settings=preferredColorScheme={scheme}"
        _chromium(tmp_path, "--window-size=1200,1600", settings, f"--screenshot={picture}", page.as_uri())
        painted.append(picture.read_bytes())
    for image in painted:
        assert struct.unpack(">II", image[16:24]) == (1200, 1600)
        assert len(image) > 60_000  # a blank page of this size has under 10 kB
    assert painted[0] != painted[1]
