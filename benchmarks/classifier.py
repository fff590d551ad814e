"""Measures the classifier on the shipped eval sets: how good, how calibrated, how careful, how fast.

    python benchmarks/classifier.py [--quick] [--json] [--out-of-domain FILE] [--part "held out"]

1. Quality by grouped cross-validation: the n-grams and the baselines, as `routerctl train` prints them.
2. Care: of texts that are of none of the classes, and that training never saw, the share called unknown at 5%
   unknown among those of the classes' own that are named right (out of fold). FILE: parts under "## name" lines, one
   text a line.
3. Speed of one decision: prompts of 200 words, eight classes, each prompt new; one word in twenty was never seen
   before. The first prompt of a process, for which every word is new, and the 200 after it stand apart. Then loading.

Asserted: at least 80% called unknown, file below 2 MB. Times are for reading: `decision.py` holds a decision to its
limits.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from routerctl.classify.classifier import NgramClassifier, load_classifier
from routerctl.classify.classifier.features import features
from routerctl.classify.classifier.files import file_text
from routerctl.cli.output.classifier import figures
from routerctl.tuning.classifier import classifier_text, load_background, load_labelled, train

ROOT = Path(__file__).parents[1]
OUT_OF_DOMAIN = ROOT / "tests/data/out_of_domain.txt"
LEAST_UNKNOWN, MOST_BYTES = 0.8, 2_000_000
CLASSES, WORDS, NEW_WORDS, WARMING = 8, 200, 0.05, 200


def parts_of(path: Path) -> dict[str, list[str]]:
    """Read a list of texts by the headings above them."""
    parts: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            parts[line[3:]] = []
        elif line and not line.startswith("# "):
            parts[next(reversed(parts))].append(line)
    return parts


def timing_file(texts: Sequence[str], folder: Path) -> Path:
    """Write a classifier of eight classes over the texts' own features; its weights are made up, its size is real."""
    generator = np.random.default_rng(0)
    keys = np.array(sorted({key for text in texts for key in features(text)})[:20_000], dtype="<u4")
    weights = generator.integers(-3000, 3000, size=(len(keys), CLASSES + 1), dtype="<i2")
    names = [f"class-{number}" for number in range(CLASSES)]
    content = {
        "classes": names,
        "priors": dict.fromkeys(names, 1 / CLASSES),
        "temperature": 0.6,
        "unknown": {"least_known": 0.4},
        "bias": [0.0] * (CLASSES + 1),
        "scale": 0.001,
        "keys": b64encode(keys.tobytes()).decode(),
        "weights": b64encode(weights.tobytes()).decode(),
    }
    path = folder / "timing.json"
    path.write_text(file_text(content), encoding="utf-8")
    return path


def prompts(texts: Sequence[str], count: int) -> list[str]:
    """Make prompts of 200 words, no two alike, with words that were never seen."""
    generator = random.Random(0)  # noqa: S311 - not a secret
    vocabulary = [word for text in texts for word in text.split()]
    made = []
    for _ in range(count):
        words = generator.choices(vocabulary, k=WORDS)
        for place in generator.sample(range(WORDS), int(WORDS * NEW_WORDS)):
            words[place] = "".join(generator.choices("abcdefghijklmnoprstuvwz", k=7))
        made.append(" ".join(words))
    return made


def time_decisions(classifier: NgramClassifier, given: Sequence[str]) -> dict[str, float]:
    """Time each prompt once, in microseconds; the first meets nothing that it knows, 200 more warm up."""
    taken = []
    for text in given:
        started = time.perf_counter_ns()
        classifier.classify(text)
        taken.append((time.perf_counter_ns() - started) / 1000)
    first, taken = taken[0], sorted(taken[WARMING:])
    return {"first_us": first, "p50_us": statistics.median(taken), "p99_us": taken[int(len(taken) * 0.99)]}


def time_loading(path: Path) -> float:
    """Time loading, best of five, in milliseconds."""
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        load_classifier(path)
        taken.append((time.perf_counter() - started) * 1000)
    return min(taken)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure everything."""
    material = load_labelled(ROOT)
    trained = train(material, load_background())
    texts = [text.text for text in material.texts]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "classifier.json"
        path.write_text(classifier_text(trained), encoding="utf-8")
        found = figures(trained, path)
        classifier = load_classifier(path)
        parts = parts_of(arguments.out_of_domain)
        wanted = {name: lines for name, lines in parts.items() if arguments.part in (None, name)}
        found["unknown"] = {
            name: {
                "texts": len(lines),
                "share": sum(classifier.classify(one).task_class is None for one in lines) / len(lines),
            }
            for name, lines in wanted.items()
        }
        timed = timing_file(texts, Path(folder))
        found["load_ms"] = {"shipped": time_loading(path), "eight classes, 20,000 features": time_loading(timed)}
        given = prompts(texts, 1000 if arguments.quick else 4000)
        found["speed"] = time_decisions(load_classifier(timed), given)
    return found


def main() -> None:
    """Print the tables and check what is promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out-of-domain", type=Path, default=OUT_OF_DOMAIN)
    parser.add_argument("--part")
    found = measure(parser.parse_args())
    if parser.parse_args().json:
        print(json.dumps(found, indent=1))
    else:
        for one in found["families"]:
            low, high = one["interval"]
            print(
                f"{one['features']:<10} macro-F1 {one['macro_f1']:.3f} [{low:.3f}, {high:.3f}]  accuracy "
                f"{one['accuracy']:.3f}  calibration error {one['calibration_error']:.3f}  "
                f"unknown {one['abstained']:.3f}, of those named right {one['abstained_right']:.3f}  "
                f"right where named {one['answered_right']:.3f}"
            )
        for name, part in found["unknown"].items():
            print(f"out of domain, {name}: {part['share']:.1%} of {part['texts']} called unknown")
        print(", ".join(f"{name} {value:.0f}" for name, value in found["speed"].items()))
        print(f"file {found['bytes']:,} bytes; load ms: {found['load_ms']}")
    for part in found["unknown"].values():
        assert part["share"] >= LEAST_UNKNOWN, found["unknown"]
    assert found["bytes"] < MOST_BYTES


if __name__ == "__main__":
    main()
