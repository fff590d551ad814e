"""Metrics of one worker process -> files in a folder shared by the workers of a machine, so that any can be scraped.

prometheus_client's multiprocess mode writes to a file at every increment, 13 microseconds a request. Here an increment
is an addition in memory, and a thread writes what has changed twice a second. The files are in the library's format,
and the library adds them up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, values
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

from routerctl.files.running import RUNNING_FOLDER, RunningMark

_EVERY_S = 0.5


class StoredValue:
    """One value of this process, as prometheus_client wants it; one thread counts, another one writes."""

    __slots__ = ("_file", "_key", "_now", "_written")

    def __init__(self, file: MmapedDict, key: str) -> None:
        self._file, self._key = file, key
        self._now = self._written = 0.0
        file.write_value(key, 0.0, 0.0)

    def inc(self, amount: float) -> None:
        """Add; seen at once in this process, a moment later in the others."""
        self._now += amount

    def set(self, value: float, timestamp: float | None = None) -> None:  # noqa: ARG002 - the library's signature
        """Set it."""
        self._now = value

    def get(self) -> float:
        """Give the value in this process."""
        return self._now

    def get_exemplar(self) -> None:
        """Give no exemplar: the files keep none."""

    def write(self) -> None:
        """Write it to the file if it has changed; the lock is held."""
        now = self._now
        if now != self._written:
            self._file.write_value(self._key, now, 0.0)
            self._written = now


class MetricFiles:
    """The files of this process, and those of the others; one instance per process."""

    def __init__(self, folder: Path) -> None:
        """`folder`: of these workers only, emptied when the service starts. Metrics created from now on are kept here.

        Raises: OSError where the folder takes no files.
        """
        self._folder = folder
        self._mark = RunningMark(folder / RUNNING_FOLDER)
        self._files: dict[str, MmapedDict] = {}
        self._numbers: list[StoredValue] = []
        self._lock, self._closing = threading.Lock(), threading.Event()
        self._values_before = values.ValueClass
        values.ValueClass = self._number  # as the library's own multiprocess mode does
        self._look: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._keep_writing, name="routerctl-metrics", daemon=True)

    def keep_writing(self, look: Callable[[], None]) -> None:
        """Write from now on, in a thread; `look`: updates gauges before each write."""
        self._look = look
        self._thread.start()

    def registry(self) -> CollectorRegistry:
        """Give what a scrape reads: the values of all processes, without the gauges of those that are gone."""
        self.write()
        self._clear_gone()
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._folder))
        return registry

    def write(self) -> None:
        """Write what has changed."""
        self._look()
        with self._lock:
            for number in self._numbers:
                number.write()

    def close(self) -> None:
        """Write a last time and remove this process's gauges; its counters stay."""
        self._closing.set()
        self._thread.join()
        self.write()
        values.ValueClass = self._values_before
        with self._lock:
            self._numbers.clear()
            for file in self._files.values():
                file.close()
        self._mark.close()
        self._drop_gauges(self._mark.name)

    def _number(self, *given: Any, multiprocess_mode: str = "", **_: Any) -> StoredValue:
        """Create one value; prometheus_client calls this in place of its value class."""
        kind, metric, name, labels, label_values, words = given
        with self._lock:
            file = self._file(f"{kind}_{multiprocess_mode}" if kind == "gauge" else kind)
            number = StoredValue(file, mmap_key(metric, name, labels, label_values, words))
            self._numbers.append(number)
        return number

    def _file(self, prefix: str) -> MmapedDict:
        if prefix not in self._files:
            path = self._folder / f"{prefix}_{self._mark.name}.db"
            new = path.with_suffix(".new")  # a reader must not meet a file without its header
            self._files[prefix] = MmapedDict(str(new))
            new.rename(path)
        return self._files[prefix]

    def _keep_writing(self) -> None:
        while not self._closing.wait(_EVERY_S):
            self.write()

    def _clear_gone(self) -> None:
        names = {path.stem.split("_")[2] for path in self._folder.glob("gauge_live*.db")}
        for name in names - {self._mark.name}:
            if self._mark.is_gone(name):
                self._drop_gauges(name)

    def _drop_gauges(self, name: str) -> None:
        for path in self._folder.glob(f"gauge_live*_{name}.db"):
            path.unlink(missing_ok=True)
