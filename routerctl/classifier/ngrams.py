"""The n-gram classifier: a text -> logits by adding up rows of weights, in the standard library alone.

Place: the classifier's floor, the hot path of `route`. It gives what `features` times the weight matrix gives, without
making the features: what a chunk adds (its words, their n-grams) is a row of numbers that is made once and kept.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from math import sqrt
from operator import add

from routerctl.classifier.deciding import Classified, Deciding
from routerctl.classifier.features import TRAIT_WEIGHT, chunks, read_chunk, trait_features

_KEPT_CHUNKS, _KEPT_CHARS = 10_000, 40  # of a generation, about 6 MB with eight classes; no longer chunks
_FINE = 64  # parts of a weight's unit that a kept row resolves: n-grams share a part, so rows are not whole
_LIFT = 1 << 40  # added to each number of a row, so that none is negative; 20,000 of them stay below 2**63


class NgramClassifier:
    """Hashed word and character n-grams with one row of weights each."""

    family = "ngrams"

    def __init__(self, deciding: Deciding, *, bias: Sequence[float], scale: float, keys: bytes, weights: bytes) -> None:
        """`keys`: uint32 per feature; `weights`: int16 per feature and logit, times `scale`; both little-endian.

        Raises: ValueError where the two do not fit together.
        """
        self._deciding = deciding
        self._bias = tuple(bias)
        self._scale = scale
        width = struct.calcsize(f"<{len(self._bias)}h")
        if len(keys) % 4 or len(weights) != len(keys) // 4 * width:
            raise ValueError("keys and weights do not fit together")
        numbers = array("I", keys)
        if struct.pack("=I", 1) != struct.pack("<I", 1):
            numbers.byteswap()
        self._rows: dict[int, tuple[int, ...]] = dict(
            zip(numbers, struct.iter_unpack(f"<{len(self._bias)}h", weights), strict=True)
        )
        self._columns = struct.Struct(f"<{len(self._bias) + 2}q")  # of a row: logits, then capitals and numbers
        self._empty = self._empty_rows()
        self._kept = _Kept(self._chunk)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes it tells apart."""
        return self._deciding.classes

    def probabilities(self, text: str, priors: Mapping[str, float] | None = None) -> dict[str, float]:
        """Give the calibrated probability of each class, for the case that the text is of one of them.

        Raises: InputError as `classify`.
        """
        return self.classify(text, priors).probabilities

    def classify(self, text: str, priors: Mapping[str, float] | None = None) -> Classified:
        """Name a text's class, or None where it is unknown; `priors`: shares of the traffic, () = as trained.

        Raises: InputError where `priors` names an unknown class or a share that is not above 0.
        """
        return self._deciding.decide(self.logits(text), priors or {})

    def logits(self, text: str) -> list[float]:
        """Give the logits of the classes and, last, of none of them."""
        self._kept.age()
        found = chunks(text)
        distinct = set(found)
        count, lifted = len(distinct), sum(map(self._kept.__getitem__, distinct))  # one addition adds all columns
        *sums, capitals, numbers = [
            total - count * _LIFT for total in self._columns.unpack(lifted.to_bytes(self._columns.size, "little"))
        ]
        traits = self._summed(trait_features(text, count, capitals, numbers, found[0] if found else ""))
        part, trait_part = self._scale / (_FINE * sqrt(count or 1)), self._scale * TRAIT_WEIGHT
        return [
            bias + part * own + trait_part * trait for bias, own, trait in zip(self._bias, sums, traits, strict=True)
        ]

    def _summed(self, keys: Iterable[int]) -> Sequence[int]:
        rows = [*filter(None, map(self._rows.get, keys))]
        return [*map(sum, zip(*rows, strict=True))] if rows else [0] * len(self._bias)

    def _chunk(self, chunk: str) -> int:
        """Make a chunk's row: the weights of its features, then whether it has a capital, a number; side by side."""
        plain, grams, capital, number = read_chunk(chunk)
        known = self._rows.get
        row: Sequence[float] | None = None
        if rows := [*filter(None, map(known, plain))]:
            row = [*map(sum, zip(*rows, strict=True))]
        for word in grams:
            if rows := [*filter(None, map(known, word))]:  # most words that were never seen have a few at most
                part = 1 / sqrt(len(word))
                more = [part * sum(column) for column in zip(*rows, strict=True)]
                row = [*map(add, row, more)] if row else more
        if row is None:
            return self._empty[capital, number]
        lifted = [int(weight * _FINE) + _LIFT for weight in row]
        packed = self._columns.pack(*lifted, _LIFT + capital, _LIFT + number)
        return int.from_bytes(packed, "little")

    def _empty_rows(self) -> dict[tuple[bool, bool], int]:
        """Make the rows of chunks of which no feature has a weight."""
        rows = {}
        for capital, number in product((False, True), repeat=2):
            columns = *([_LIFT] * len(self._bias)), _LIFT + capital, _LIFT + number
            rows[capital, number] = int.from_bytes(self._columns.pack(*columns), "little")
        return rows


class _Kept(dict[str, int]):
    """Chunks with their rows, made when first asked for, in two generations: the elder is dropped as a whole.

    What was used lately is never made again, and no chunk costs more than a look into the elder generation.
    """

    def __init__(self, make: Callable[[str], int]) -> None:
        super().__init__()
        self._make = make
        self._elder: dict[str, int] = {}

    def __missing__(self, chunk: str) -> int:
        made = self._elder.get(chunk) or self._make(chunk)
        if len(chunk) <= _KEPT_CHARS:  # what is longer hardly comes again
            self[chunk] = made
        return made

    def age(self) -> None:
        """Begin a new generation where this one is full."""
        if len(self) > _KEPT_CHUNKS:
            self._elder = dict(self)
            self.clear()
