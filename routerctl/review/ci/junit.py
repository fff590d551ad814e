"""Turns checks into JUnit XML, the form of test results that every CI system reads.

One test suite a candidate that serves, one test case a check. `<failure>` is quality, `<error>` is a far side that was
down or a set too small where that is not allowed, `<skipped>` a set too small where it is. The elements and attributes
are those of the Jenkins schema (junit-10.xsd), which the others accept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from routerctl.review.ci.checks import Check, CheckOutcome
from routerctl.words import visible

# What XML 1.0 can carry (section 2.2); a parser refuses a whole file for one character outside it.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ELEMENT = {CheckOutcome.FAILED: "failure", CheckOutcome.ERROR: "error", CheckOutcome.SKIPPED: "skipped"}
_NAMED = 1000  # newly broken cases listed


def junit_xml(checks: Sequence[Check], *, created_at: str = "") -> str:
    """Return checks as one JUnit file; `created_at`: when the run was made, ISO 8601."""
    root = ET.Element("testsuites", {"name": "routerctl", **_sums(checks)})
    for candidate in dict.fromkeys(check.candidate for check in checks):
        root.append(_suite(candidate, [check for check in checks if check.candidate == candidate], created_at))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(candidate: str, checks: Sequence[Check], created_at: str) -> ET.Element:
    name = _xml(candidate) or "all candidates"
    skipped = str(sum(check.outcome is CheckOutcome.SKIPPED for check in checks))
    suite = ET.Element("testsuite", {"name": name, **_sums(checks), "skipped": skipped})
    if created_at:
        suite.set("timestamp", _xml(created_at))
    for check in checks:
        suite.append(_case(check, name))
    return suite


def _sums(checks: Sequence[Check]) -> dict[str, str]:
    return {
        "tests": str(len(checks)),
        "failures": str(sum(check.outcome is CheckOutcome.FAILED for check in checks)),
        "errors": str(sum(check.outcome is CheckOutcome.ERROR for check in checks)),
        "time": _seconds(sum(check.latency_s for check in checks)),
    }


def _seconds(latency_s: float) -> str:
    return f"{latency_s:.3f}"


def _case(check: Check, suite: str) -> ET.Element:
    # CI systems split a class name at its dots into packages: a version number in it would become folders.
    classname = f"routerctl.{suite.replace('.', '_')}"
    case = ET.Element("testcase", {"name": _xml(check.name), "classname": classname, "time": _seconds(check.latency_s)})
    if check.outcome is CheckOutcome.PASSED:
        ET.SubElement(case, "system-out").text = _xml(check.reason)
    elif check.outcome is CheckOutcome.SKIPPED:
        ET.SubElement(case, "skipped", {"message": _xml(check.reason)})
    else:
        found = ET.SubElement(
            case, _ELEMENT[check.outcome], {"message": _xml(f"{check.name}: {check.what}"), "type": _xml(check.what)}
        )
        found.text = _xml("\n".join([check.reason, *_broken(check)]))
    return case


def _broken(check: Check) -> list[str]:
    if not check.broken:
        return []
    more = len(check.broken) - _NAMED
    listed = [f"  {case}" for case in check.broken[:_NAMED]]
    return ["Newly broken cases:", *listed, *([f"  and {more} more"] if more > 0 else [])]


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", visible(text))
