"""Two projects with real tables in front of an upstream: one that is told the class, one that finds it and pays.

The cases are inputs of the shipped eval sets; what is expected is the one text that the upstream knows, so every
candidate passes and the evidence comes from real calls through the providers' own clients. `told` has no rules, no
classifier, no budget and no log. `found` has ten rules of which none names a prompt of the load, a classifier trained
on the same inputs, a budget that every request is held against, and the decision log.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COMMAND = str(Path(sys.executable).with_name("routerctl"))
ENVIRONMENT = {"BENCHMARK_KEY": "sk-none", "NO_COLOR": "1"}
CLASSES = ("language", "reading", "sentiment", "topic")
CLASS = "topic"  # that the one is told, and whose inputs the prompts are made of
CASES = 40  # a class
REPLY = "The parcel left the depot on Monday and is two days late; the customer asks for it by Friday."  # upstream.c's
PRICE = {"date": "2026-11-01", "source": "made up", "input_mtok_usd": 1, "output_mtok_usd": 4}
CONDITIONS: tuple[Mapping[str, Any], ...] = (
    {"is_json": True},
    {"has_code": True, "min_chars": 20000},
    {"keywords": ["chargeback", "force majeure", "Mahnbescheid", "subpoena"]},
    {"regex": r"\b[A-Z]{2}\d{6,}\b"},
    {"regex": r"(?is)\bpassage:.*\bquestion:"},
    {"regex": r"(?i)^(translate|übersetze) .* (to|into|ins) \w+"},
    {"max_words": 2},
    {"min_chars": 20000},
    {"has_attachment": True},
    {"tenant": ["bank"], "features": {"plan": ["pro", "team"]}},
)


@dataclass(frozen=True, slots=True)
class Projects:
    """Folders, each with a routes.yaml."""

    told: Path
    found: Path


def make_projects(folder: Path, port: int) -> Projects:
    """Make both in a folder, with evidence from the upstream on this port."""
    told, found = folder / "told", folder / "found"
    _write(found / "routerctl.yaml", {**_config(port), **_finding()})
    for name in CLASSES:
        _write(found / f"evals/{name}.yaml", _eval_set(inputs(name)[:CASES]))
    run(found, "train")
    run(found, "eval", "--no-cache")
    told.mkdir()
    for name in ("evals", "reports"):
        shutil.copytree(found / name, told / name)
    _write(told / "routerctl.yaml", {**_config(port), "default_class": CLASS, "routing": {"log": False}})
    for project in (told, found):
        run(project, "build-table")
    return Projects(told, found)


def prompts(count: int) -> list[str]:
    """Give prompts of about 500 characters, of inputs that the classifier has not seen, for it to name a class."""
    texts = inputs(CLASS)[CASES:]
    found: list[str] = []
    rest = iter(texts * 10)
    while len(found) < count:
        words = ""
        while len(words) < 500:
            words += next(rest) + "\n"
        found.append(words.strip())
    return found


def inputs(name: str) -> list[str]:
    """Give the inputs of a shipped eval set."""
    lines = (ROOT / f"evals/{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["input"] for line in lines]


def run(project: Path, *words: str) -> None:
    """Run one of our commands in a project."""
    done = subprocess.run(
        [COMMAND, *words], cwd=project, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"routerctl {words[0]}: {done.stderr[-600:]}"


def _config(port: int) -> dict[str, Any]:
    models = {"small": ("openai", "mock-1"), "large": ("openai", "mock-2"), "claude": ("anthropic", "mock-3")}
    addresses = {"openai": f"http://127.0.0.1:{port}/v1", "anthropic": f"http://127.0.0.1:{port}"}
    return {
        "schema_version": 1,
        "ladder": "main",
        "providers": {
            kind: {"kind": kind, "base_url": url, "api_key_env": "BENCHMARK_KEY", "concurrency": 64}
            for kind, url in addresses.items()
        },
        "candidates": {name: {"provider": kind, "model": model} for name, (kind, model) in models.items()},
        "ladders": {"main": list(models)},
        "prices": [{"provider": kind, "model": model, **PRICE} for kind, model in models.values()],
    }


def _finding() -> dict[str, Any]:
    rules = [{"name": f"rule-{at}", "class": CLASSES[at % len(CLASSES)], **when} for at, when in enumerate(CONDITIONS)]
    budget = {"name": "all", "cap_usd": 1_000_000, "period": "month"}
    return {
        "default_class": "sentiment",
        "rules": rules,
        "classifier": {"file": "classifier.json"},
        "routing": {"budgets": [budget]},
    }


def _eval_set(texts: Sequence[str]) -> dict[str, Any]:
    cases = [{"id": f"c{at}", "input": text, "expected": REPLY} for at, text in enumerate(texts)]
    return {"schema_version": 1, "description": "D.", "bar": 0.8, "scorer": {"name": "exact"}, "cases": cases}


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")  # JSON is YAML
