"""One round of timing: a fresh worker process per model, all loaded, then timed in turns slice by slice."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress_onnx.errors import ModelError, OptionError
from compress_onnx.model import Model
from compress_onnx.runtime.cpu import kept_off
from compress_onnx.runtime.workers import Worker

Start = Callable[[], Worker]
"""Returns a worker that has not been started yet."""

# Short enough that other work meets all models alike, long enough that turns cost little.
_SLICES = 10
_SLICE_CALLS = 10
# How long the threads of the model before still wait busily on cores that this one needs: 34 ms measured.
_SPINNING_S = 0.05
# The runtime's arenas and the CPU's clock settle within a few calls; a large model shall not warm up for seconds.
_WARMUP_CALLS = 10
_WARMUP_NS = 50_000_000
_FEWEST_WARMUPS = 2
# A median of fewer would be moved by a single interruption.
_FEWEST_CALLS = 5


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How every worker runs: threads, busy waiting, cores to stay on (none: anywhere)."""

    threads: int
    spinning: bool
    cores: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RoundTiming:
    """What one model did in one round, in nanoseconds; memory in bytes, ``None`` where nobody tells."""

    load_ns: int
    first_ns: int
    warmup_ns: tuple[int, ...]
    values_ns: tuple[int, ...]
    resident_bytes: int | None
    peak_bytes: int | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InterleavedRound:
    """Who takes part: the files, the images (B, ...) float32 they are fed, and how."""

    models: tuple[Path | Model, ...]
    images: NDArray[np.float32]
    setting: WorkerOptions
    start: Start

    def run(self, calls: Sequence[int] | float, rng: np.random.Generator) -> tuple[RoundTiming, ...]:
        """Time every file in a process of its own and return their timings, in the order of the files.

        ``calls`` are timed calls per file, or the seconds that they shall take together per file.
        """
        with started_workers(self.start, len(self.models)) as workers:
            models = [_TimedModel(worker, model, self) for worker, model in zip(workers, self.models, strict=True)]
            # Who loads first may get other memory than who loads last.
            for place in rng.permutation(len(models)):
                models[place].load()
            with kept_off(self.setting.cores):
                for place in rng.permutation(len(models)):
                    models[place].warm_up()
                counts = [model.calls_for(calls) for model in models] if isinstance(calls, float) else calls
                for order, sizes in turns(counts, rng):
                    for place in order:
                        models[place].time(sizes[place])
            return tuple(model.timing() for model in models)


def turns(counts: Sequence[int], rng: np.random.Generator) -> Iterator[tuple[list[int], list[int]]]:
    """Yield for each slice the order of the files and how many calls each makes.

    The file with the fewest calls says how many slices there are: each slice costs a call that does not count.

    >>> [sizes for _, sizes in turns([25, 2000], np.random.default_rng(0))]
    [[13, 1000], [12, 1000]]
    """
    slices = min(_SLICES, max(1, min(counts) // _SLICE_CALLS))
    sizes = [[len(part) for part in np.array_split(np.arange(count), slices)] for count in counts]
    for number in range(slices):
        yield rng.permutation(len(counts)).tolist(), [own[number] for own in sizes]


@contextlib.contextmanager
def started_workers(start: Start, count: int) -> Iterator[list[Worker]]:
    """Yield that many workers, started side by side; all end with the block."""
    with contextlib.ExitStack() as stack:
        with ThreadPoolExecutor(count) as pool:
            starting = [pool.submit(stack.enter_context, start()) for _ in range(count)]
        workers = [future.result() for future in starting]
        yield workers
        # All told first, so that they end side by side.
        for worker in workers:
            worker.dismiss()


class _TimedModel:
    """One file in its worker through one round."""

    def __init__(self, worker: Worker, model: Path | Model, timed: InterleavedRound) -> None:
        self._worker, self._model, self._timed = worker, model, timed
        self._load_ns = self._first_ns = 0
        self._memory: dict[str, int] = {}
        self._resident_bytes: int | None = None
        self._warmup: list[int] = []
        self._values: list[int] = []

    def load(self) -> None:
        setting, images = self._timed.setting, self._timed.images
        facts = self._worker.load(
            self._model, threads=setting.threads, spinning=setting.spinning, affinity=list(setting.cores)
        )
        self._load_ns = facts["load_ns"]
        self._resident_bytes = facts["memory"].get("resident_bytes")
        self._feed = {_image_input(facts["inputs"], len(images), self._model): images}

    def warm_up(self) -> None:
        answer, _ = self._worker.ask("time", self._feed, calls=0, where=self._model)
        self._first_ns = answer["first_ns"]
        calls = math.ceil(_WARMUP_NS / max(self._first_ns, 1))
        _, spent = self._worker.ask("time", calls=min(_WARMUP_CALLS, max(_FEWEST_WARMUPS, calls)), where=self._model)
        self._warmup += spent["values"].tolist()

    def calls_for(self, seconds: float) -> int:
        """Return how many calls fill the time; the quickest warm-up call is the one least disturbed."""
        return max(_FEWEST_CALLS, round(1e9 * seconds / max(min(self._warmup), 1)))

    def time(self, calls: int) -> None:
        setting = self._timed.setting
        if setting.threads > 1 and setting.spinning:
            time.sleep(_SPINNING_S)
        # The call before the timed ones finds the caches as the other model left them.
        answer, spent = self._worker.ask("time", calls=calls, warmup=1, where=self._model)
        self._memory = answer["memory"]
        self._warmup += spent["warmup"].tolist()
        self._values += spent["values"].tolist()

    def timing(self) -> RoundTiming:
        return RoundTiming(
            load_ns=self._load_ns,
            first_ns=self._first_ns,
            warmup_ns=tuple(self._warmup),
            values_ns=tuple(self._values),
            resident_bytes=self._resident_bytes,
            peak_bytes=self._memory.get("peak_bytes"),
        )


def _image_input(inputs: Sequence[tuple[str, str, list[int | str | None]]], batch: int, where: object) -> str:
    if len(inputs) != 1:
        raise ModelError(
            "a model with one image input", f"{len(inputs)} inputs", where=where, remedy="Export it with one input."
        )
    name, _, shape = inputs[0]
    fixed = shape[0] if shape and isinstance(shape[0], int) else None
    if fixed not in {None, batch}:
        raise OptionError(
            f"a batch of {fixed}, the only one this file takes",
            f"--batch {batch}",
            where=where,
            remedy=f"Give --batch {fixed}, or export the model with a dynamic batch.",
        )
    return name
