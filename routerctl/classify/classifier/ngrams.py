"""The classifier: a text -> logits by adding up rows of weights, in the standard library alone.

On the hot path of every request. It gives what `features` times the weight matrix gives, without making the features:
what a chunk adds (its words, their n-grams) is a row of numbers that is made once and kept.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import sqrt
from operator import mul

from routerctl.classify.classifier.calibrated import Classified, Deciding
from routerctl.classify.classifier.features import TRAIT_WEIGHT, chunks, read_chunk, trait_features

_KEPT_CHUNKS, _KEPT_CHARS = 10_000, 40  # of a generation, about 2 MB with eight classes; no longer chunks
_FINE = 1 << 16  # parts of a weight's unit that a chunk's row resolves: n-grams share a part, so rows are not whole
_LIFT = 1 << 62  # what is added to a column so that it is not negative: 20,000 characters stay far below it


class NgramClassifier:
    """Hashed word and character n-grams with one row of weights each."""

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
        # A feature's weights: as in the file, and from its first use on as one integer; most are never used.
        self._rows: dict[int, int | tuple[int, ...]] = dict(
            zip(numbers, struct.iter_unpack(f"<{len(self._bias)}h", weights), strict=True)
        )
        self._columns = struct.Struct(f"<{len(self._bias) + 2}q")  # of a row: logits, then capitals and numbers
        *_, self._capital, self._number = self._units = [1 << 64 * place for place in range(len(self._bias) + 2)]
        self._lift = _LIFT * sum(self._units)
        self._kept = _Kept(self._chunk)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes it tells apart."""
        return self._deciding.classes

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
        count = len(distinct)
        *sums, capitals, numbers = self._unpacked(sum(map(self._kept.__getitem__, distinct)))
        keys = trait_features(text, count, capitals, numbers, found[0] if found else "")
        traits = self._unpacked(self._sum(keys))
        part, trait_part = self._scale / (_FINE * sqrt(count or 1)), self._scale * TRAIT_WEIGHT
        return [
            bias + part * own + trait_part * trait for bias, own, trait in zip(self._bias, sums, traits, strict=False)
        ]

    def _chunk(self, chunk: str) -> int:
        """Make a chunk's row: the weights of its features, then whether it has a capital, a number."""
        plain, grams, capital, number = read_chunk(chunk)
        row = _FINE * self._sum(plain)
        for word in grams:
            if total := self._sum(word):
                row += round(_FINE / sqrt(len(word))) * total
        return row + capital * self._capital + number * self._number

    def _sum(self, keys: Iterable[int]) -> int:
        """Add up features' weights as one integer: each times its column's unit, so that one addition adds them all."""
        total, rows = 0, self._rows
        for key in filter(rows.__contains__, keys):  # of a word that was never seen few are known
            row = rows[key]
            if isinstance(row, tuple):
                row = rows[key] = sum(map(mul, row, self._units))
            total += row
        return total

    def _unpacked(self, row: int) -> list[int]:
        """Give the columns of a sum of rows."""
        lifted = (row + self._lift).to_bytes(self._columns.size + 1, "little")
        return [column - _LIFT for column in self._columns.unpack_from(lifted)]


class _Kept(dict[str, int]):
    """Chunks with their rows, made when first asked for, in two generations: the elder is dropped as a whole.

    What was used lately is never made again, and no chunk costs more than a look into the elder generation.
    """

    def __init__(self, make: Callable[[str], int]) -> None:
        super().__init__()
        self._make = make
        self._elder: dict[str, int] = {}

    def __missing__(self, chunk: str) -> int:
        made = self._elder.get(chunk)
        if made is None:
            made = self._make(chunk)
        if len(chunk) <= _KEPT_CHARS:  # what is longer hardly comes again
            self[chunk] = made
        return made

    def age(self) -> None:
        """Begin a new generation where this one is full."""
        if len(self) > _KEPT_CHUNKS:
            self._elder = dict(self)
            self.clear()
