"""Turns a table and a comparison with a baseline into what a CI system shows: JUnit XML, a summary, annotations, JSON.

`checks`: the outcome of each check, once for all formats, and the error that they end a gate with; `junit`, `summary`,
`annotations`: one format each; `publish` writes them where a CI system looks. It judges nothing. Case ids, class and
candidate names are hostile text: each format escapes them in its own way.
"""

from routerctl.review.ci.annotations import annotation_lines
from routerctl.review.ci.checks import (
    Check,
    CheckOutcome,
    Strict,
    changed_choices,
    checks_of,
    gate_error,
    latencies_of,
    next_steps,
    to_json,
    undecided,
)
from routerctl.review.ci.junit import junit_xml
from routerctl.review.ci.summary import step_summary
