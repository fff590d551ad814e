"""Measures how well a router learned from few outcomes spends calls of a strong model, on recorded outcomes.

    python benchmarks/routing_quality.py [--quick] [--json] [--data FILE]

The data: 14,042 recorded outcomes of a weak and a strong model on 57 subjects (`mmlu_outcomes.csv.gz`, from the
RouteLLM project's published responses, Apache-2.0), looked for in `*/data/` beside the repository; where they are not
there, one line says so and the exit code is 0. The subject high_school_mathematics is left out: its answers were
extracted wrongly.

Each split draws 1,500 prompts whose outcomes a router may learn from, and scores it on the others:

- prompt length: the longer, the stronger; it learns nothing;
- table: the mean gain of the strong model in each subject, drawn towards the mean gain of all by as much as leaves the
  least leave-one-out error;
- learned: the gain of the strong model (-1, 0, 1) by ridge regression on the project's own features
  (`classifier.features`, weighed as `training.families` does), penalty by leave-one-out error; it is not told the
  subject;
- table + learned: one ridge on both, so that a text moves a prompt away from its subject's mean.

Measured as RouteLLM does (arXiv 2406.18665 and its evaluation code): the 11 edges of the scores' deciles are the
thresholds; PGR = (a - a_weak) / (a_strong - a_weak); APGR is the area under it over the share of strong calls; CPT(q)
the least share of strong calls that closes q of the gap, read off the running maximum, as interpolation needs a rising
line. Intervals: 95 %, over splits x bootstrap draws of the scored prompts, so both the labels and the prompts could
have been others; differences are of the same draw. The published figures were made on another protocol: trained on
arena votes and some 1,500 labels of the validation set, scored on all of the test set. These 1,500 labels are of the
scored distribution itself, which is easier, and what a team has that runs its own eval sets.

Asserted: the random line gives 0.5 within 0.01; the learned router, alone and with the table, is better than the prompt
length, each with its whole interval of the difference. Whatever else a difference shows, also that something loses or
that nothing is shown, is printed.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from routerctl.classify.classifier.features import features
from routerctl.tuning.classifier.families import LEAST_TEXTS, feature_rows, rarity

FILE, LEFT_OUT = "mmlu_outcomes.csv.gz", "high_school_mathematics"
WEAK, STRONG = "mixtral-8x7b-instruct-v0.1", "gpt-4-1106-preview"
LABELS = 1_500
PRIORS = (
    5.0,
    20.0,
    60.0,
    180.0,
)  # prompts of mean gain that each subject's mean is drawn towards; by leave-one-out error
PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # times the mean squared length of a text's features
SHARES = (0.1, 0.3, 1.0)  # weight of the subject beside the text, chosen by the same leave-one-out error
RANDOM, LENGTH, TABLE, LEARNED, BOTH = "random line", "prompt length", "table", "learned", "table + learned"
PUBLISHED = {"random": (0.500, 50.07, 79.93), "BERT": (0.572, 41.30, 72.20), "causal LLM": (0.600, 35.49, 70.31),
             "matrix factorization": (0.597, 35.46, 71.40), "SW ranking": (0.603, 35.40, 71.55)}  # fmt: skip
COMPARED = ((LEARNED, RANDOM), (LEARNED, LENGTH), (LEARNED, TABLE), (BOTH, LENGTH), (BOTH, LEARNED), (BOTH, TABLE))
PROMISED = {(LEARNED, RANDOM), (LEARNED, LENGTH), (BOTH, LENGTH)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Recorded outcomes, an entry a prompt."""

    texts: tuple[str, ...]
    subjects: Any  # int64
    weak: Any  # float64, 1 = right
    strong: Any

    @property
    def gain(self) -> Any:
        """What asking the strong model instead changes."""
        return self.strong - self.weak


Router = Callable[[Any], Any]  # places that may be learned from -> a score of every prompt


def main() -> int:
    """Measure, print, assert."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer splits and draws")
    parser.add_argument("--data", type=Path, help=f"where {FILE} is")
    options = parser.parse_args()
    data = options.data or next(iter(sorted(Path(__file__).resolve().parents[2].glob(f"*/data/{FILE}"))), None)
    if data is None or not data.exists():
        print(f"skipped: no {FILE} here (--data says where it is)")
        return 0
    began, splits, draws = time.perf_counter(), 4 if options.quick else 20, 25 if options.quick else 50
    outcomes = load(data)
    with threadpool_limits(1):  # two threads of a busy machine wait for each other longer than one works
        found = summed(outcomes, measured(outcomes, routers(outcomes), splits, draws))
    found |= {"benchmark": "routing_quality", "quick": options.quick, "splits": splits, "draws": draws}
    found["seconds"] = round(time.perf_counter() - began, 1)
    print(json.dumps(found) if options.json else table_of(found))
    check(found)
    return 0


def load(data: Path) -> Outcomes:
    """Read the outcomes."""
    with gzip.open(data, "rt", encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["task_class"] != LEFT_OUT]
    names = sorted({row["task_class"] for row in rows})
    return Outcomes(
        texts=tuple(row["prompt"] for row in rows),
        subjects=np.array([names.index(row["task_class"]) for row in rows]),
        weak=np.array([float(row[WEAK]) for row in rows]),
        strong=np.array([float(row[STRONG]) for row in rows]),
    )


# --- routers ----------------------------------------------------------------------------------------------------------


def routers(outcomes: Outcomes) -> dict[str, Router]:
    """Make each router; what a text's features need is computed once."""
    documents = [features(text) for text in outcomes.texts]
    columns = {key: place for place, key in enumerate(sorted({key for document in documents for key in document}))}
    counted = feature_rows(documents, columns)
    lengths = np.array([float(len(text)) for text in outcomes.texts])

    @lru_cache(maxsize=1)  # both routers of a split weigh alike
    def rows_of(places: bytes) -> Any:
        return weighed(counted, np.frombuffer(places, dtype=np.int64))

    return {
        LENGTH: lambda _places: lengths,
        TABLE: lambda places: subject_means(outcomes, places)[outcomes.subjects],
        LEARNED: lambda places: ridge(outcomes, places, rows_of(places.tobytes()), (0.0,)),
        BOTH: lambda places: ridge(outcomes, places, rows_of(places.tobytes()), SHARES),
    }


def subject_means(outcomes: Outcomes, places: Any) -> Any:
    """Give each subject's mean gain, drawn towards that of all."""
    gain, subjects = outcomes.gain[places], outcomes.subjects[places]
    size, mean = int(outcomes.subjects.max()) + 1, outcomes.gain[places].mean()
    counts, sums = np.bincount(subjects, minlength=size), np.bincount(subjects, gain, minlength=size)

    def error(prior: float) -> float:
        """Predict each prompt from the others of its subject."""
        others = (sums[subjects] - gain + prior * mean) / (counts[subjects] - 1 + prior)
        return float(np.mean((gain - others) ** 2))

    prior = min(PRIORS, key=error)
    return (sums + prior * mean) / (counts + prior)


def weighed(counted: Any, places: Any) -> Any:
    """Give every text's features that stand in enough of those at `places`, by their rarity there, at length 1."""
    seen = counted[places].getnnz(axis=0)
    kept = np.flatnonzero(seen >= LEAST_TEXTS)
    rows = counted[:, kept].multiply(rarity(len(places), seen[kept])).tocsr()
    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(1)).ravel())
    return rows.multiply(1 / np.maximum(lengths, 1e-12)[:, None]).tocsr()


def ridge(outcomes: Outcomes, places: Any, rows: Any, shares: Sequence[float]) -> Any:
    """Predict every prompt's gain from those at `places`; the penalty and the subject's share by leave-one-out error.

    Ridge regression in its dual form (Saunders et al. 1998); one decomposition gives all leave-one-out errors.
    """
    known, subjects = rows[places], outcomes.subjects[places]
    product = known @ known.T
    likeness = product if isinstance(product, np.ndarray) else product.toarray()
    scale, gain = float(np.trace(likeness)) / len(places), outcomes.gain[places]
    mean, best, dual, share = gain.mean(), np.inf, np.zeros(len(places)), 0.0
    for tried in shares:
        values, vectors = np.linalg.eigh(likeness / scale + tried * (subjects[:, None] == subjects[None, :]))
        turned = vectors.T @ (gain - mean)
        for penalty in PENALTIES:
            found = vectors @ (turned / (values + penalty))
            error = float(np.mean((found / (vectors**2 @ (1 / (values + penalty)))) ** 2))
            if error < best:
                best, dual, share = error, found, tried
    by_subject = np.bincount(subjects, dual, minlength=int(outcomes.subjects.max()) + 1)
    return mean + rows @ (known.T @ dual) / scale + share * by_subject[outcomes.subjects]


# --- the measure ------------------------------------------------------------------------------------------------------


def curve(scores: Any, weak: Any, strong: Any) -> tuple[Any, Any]:
    """Give the share of strong calls and the accuracy at each threshold, both in [0, 1], by rising share."""
    edges = np.quantile(scores, np.linspace(0, 1, 11))  # what pandas.qcut(scores, 10, retbins=True) gives
    points = []
    for place, edge in enumerate(edges):
        chosen = scores > edge if place == len(edges) - 1 else scores >= edge
        points.append((float(chosen.mean()), float(np.where(chosen, strong, weak).mean())))
    shares, accuracies = zip(*sorted(points), strict=True)
    return np.array(shares), np.array(accuracies)


def quality(scores: Any, weak: Any, strong: Any) -> tuple[float, float, float]:
    """Give APGR, CPT50 and CPT80 (in %)."""
    shares, accuracies = curve(scores, weak, strong)
    low, gap = weak.mean(), strong.mean() - weak.mean()
    apgr = float(np.trapezoid((accuracies - low) / gap, shares) / (shares[-1] - shares[0]))
    rising = np.maximum.accumulate(accuracies)
    half, most = (float(np.interp(low + share * gap, rising, shares * 100)) for share in (0.5, 0.8))
    return apgr, half, most


def measured(outcomes: Outcomes, given: Mapping[str, Router], splits: int, draws: int) -> dict[str, Any]:
    """Give, by router, APGR and CPT of each split (splits, 3) and of its draws (splits * draws, 3)."""
    names = (RANDOM, *given)
    whole: dict[str, list[Any]] = {name: [] for name in names}
    drawn: dict[str, list[Any]] = {name: [] for name in names}
    for seed in range(splits):
        generator = np.random.default_rng(seed)
        order = generator.permutation(len(outcomes.texts))
        places, others = order[:LABELS], order[LABELS:]
        scores = {name: jittered(make(places), generator) for name, make in given.items()}
        samples = [generator.choice(others, len(others)) for _ in range(draws)]
        for kept, sample in ((whole, others), *((drawn, sample) for sample in samples)):
            weak, strong = outcomes.weak[sample], outcomes.strong[sample]
            kept[RANDOM].append(random_line(weak, strong, generator))
            for name, score in scores.items():
                # Jittered again: what was drawn twice would tie, and edges of deciles must differ.
                kept[name].append(quality(jittered(score[sample], generator), weak, strong))
    return {name: (np.array(whole[name]), np.array(drawn[name])) for name in names}


def random_line(weak: Any, strong: Any, generator: np.random.Generator) -> Any:
    """Give the mean of ten random routers."""
    return np.mean([quality(generator.random(len(weak)), weak, strong) for _ in range(10)], axis=0)


def jittered(scores: Any, generator: np.random.Generator) -> Any:
    """Part ties by chance, by less than any two scores differ that matter."""
    return scores + generator.uniform(-1e-7, 1e-7, len(scores)) * (float(np.ptp(scores)) or 1.0)


def summed(outcomes: Outcomes, found: Mapping[str, Any]) -> dict[str, Any]:
    """Give means over splits with intervals over all draws, and the differences of the same draws."""
    rows = []
    for name, (whole, drawn) in found.items():
        low, high = np.quantile(drawn[:, 0], [0.025, 0.975])
        apgr, half, most = (float(value) for value in whole.mean(0))
        spread = float(whole[:, 0].std(ddof=1))
        row = {"router": name, "apgr": apgr, "interval": [float(low), float(high)], "split_sd": spread}
        rows.append({**row, "cpt50": half, "cpt80": most})
    differences = []
    for one, other in COMPARED:
        if one in found and other in found:
            apart = found[one][1][:, 0] - found[other][1][:, 0]
            low, high = np.quantile(apart, [0.025, 0.975])
            mean = float((found[one][0] - found[other][0])[:, 0].mean())
            differences.append({"one": one, "other": other, "mean": mean, "interval": [float(low), float(high)]})
    accuracy = {"weak": float(outcomes.weak.mean()), "strong": float(outcomes.strong.mean())}
    return {"prompts": len(outcomes.texts), "labels": LABELS, "accuracy": accuracy, "rows": rows,
            "differences": differences}  # fmt: skip


def check(found: Mapping[str, Any]) -> None:
    """See that what is promised holds."""
    rows = {row["router"]: row for row in found["rows"]}
    assert abs(rows[RANDOM]["apgr"] - 0.5) < 0.01, rows[RANDOM]
    for one in found["differences"]:
        if (one["one"], one["other"]) in PROMISED:
            assert one["interval"][0] > 0, one


def table_of(found: Mapping[str, Any]) -> str:
    """Write the tables and what follows from them."""
    accuracy = found["accuracy"]
    lines = [
        f"{found['prompts']:,} prompts; always weak: {accuracy['weak']:.1%}, always strong: {accuracy['strong']:.1%}",
        f"{found['labels']:,} labels of the same distribution, {found['splits']} splits x {found['draws']} draws",
        "",
        f"{'router':28} {'APGR':>6} {'95 % interval':>16} {'CPT50':>7} {'CPT80':>7}",
    ]
    for row in found["rows"]:
        low, high = row["interval"]
        lines.append(f"{row['router']:28} {row['apgr']:6.3f} {f'[{low:.3f}, {high:.3f}]':>16} "
                     f"{row['cpt50']:6.1f}% {row['cpt80']:6.1f}%")  # fmt: skip
    lines += ["", "published (other protocol: trained on arena votes and 1,500 validation labels)"]
    lines += [
        f"{name:28} {apgr:6.3f} {'':16} {half:6.1f}% {most:6.1f}%" for name, (apgr, half, most) in PUBLISHED.items()
    ]
    lines += ["", *(sentence(one) for one in found["differences"]), "", f"{found['seconds']} s"]
    return "\n".join(lines)


def sentence(one: Mapping[str, Any]) -> str:
    """Say what a difference shows."""
    low, high = one["interval"]
    word = "is better than" if low > 0 else "LOSES to" if high < 0 else "is not shown to differ from"
    return f"{one['one']} {word} {one['other']}: {one['mean']:+.3f} [{low:+.3f}, {high:+.3f}]"


if __name__ == "__main__":
    sys.exit(main())
