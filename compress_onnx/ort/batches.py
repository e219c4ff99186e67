"""How images go into calls: how many at once, chosen by a short probe, and what fills up a fixed batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)
Inputs = NDArray[np.float32]
Run = Callable[[Inputs], NDArray[np.float32]]

# Measured on SqueezeNet: between 4 and 32 images the time per image moves by up to 7 %, below each call's own cost shows,
# above the activations leave the cache. SqueezeNet's and ResNet-18's answers, FP32 and W8A8, are the same bits at any of
# 1 to 128 images a call.
BATCHES = (4, 16, 32)
USUAL = 16
PROBED = 32
# Inputs of one call; larger pictures go in smaller batches, since activations grow with them.
_CALL_BYTES = 4 * 2**20
# Another batch than the usual one must be faster by more than a clock's noise.
_GAIN = 0.95
# Where one usual call takes longer than this, a call's own cost is nothing, and a probe would be long.
_LONGEST_CALL_S = 0.05


def spans(n: int, batch: int) -> list[tuple[int, int]]:
    """Return start and stop of the calls for ``n`` images, none of a single image unless ``batch`` or ``n`` is 1.

    A matrix of one row takes another kernel, whose last bit may differ: the rest joins its neighbor.

    >>> spans(9, 4), spans(10, 4)
    ([(0, 4), (4, 9)], [(0, 4), (4, 8), (8, 10)])
    """
    starts = list(range(0, n, batch))
    if batch > 1 and len(starts) > 1 and n - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], n], strict=True)) if starts else []


def exact_spans(n: int, batch: int) -> list[tuple[int, int]]:
    """Return start and stop of the calls for ``n`` images, ``batch`` in each but the last, which takes the rest.

    >>> exact_spans(9, 4)
    [(0, 4), (4, 8), (8, 9)]
    """
    return [(start, min(start + batch, n)) for start in range(0, n, batch)]


def filled(rows: NDArray[T], size: int) -> NDArray[T]:
    """Return ``size`` rows: the given ones (N, ...), N at least 1, from the first again where they are fewer.

    Real images, not zeros: a model may have no answer to what is no picture.

    >>> filled(np.array([1, 2]), 5).tolist(), filled(np.array([1, 2, 3]), 2).tolist()
    ([1, 2, 1, 2, 1], [1, 2])
    """
    return rows[:size] if len(rows) >= size else rows[np.arange(size) % len(rows)]


def fixed_chunks(rows: NDArray[T], size: int) -> Iterator[NDArray[T]]:
    """Yield the rows in chunks of exactly ``size``, the last one :func:`filled` up.

    >>> [chunk.tolist() for chunk in fixed_chunks(np.array([1, 2, 3]), 2)]
    [[1, 2], [3, 3]]
    """
    for start in range(0, len(rows), size):
        yield filled(rows[start : start + size], size)


def usual_batch(image_bytes: int) -> int:
    """Return the batch that is taken without a probe, for images of so many bytes as model input.

    >>> usual_batch(3 * 32 * 32 * 4), usual_batch(3 * 224 * 224 * 4), usual_batch(10**8)
    (16, 4, 1)
    """
    return max((size for size in _fitting(image_bytes) if size <= USUAL), default=1)


def _fitting(image_bytes: int) -> list[int]:
    return [size for size in BATCHES if size * image_bytes <= _CALL_BYTES]


def chosen_batch(run: Run, images: Inputs, *, clock: Callable[[], float] = time.thread_time) -> int:
    """Return the batch at which ``run`` answers ``images`` (P, ...) fastest, the usual one on equal terms.

    For models whose answers do not depend on the other images of a call. A batch whose answers differ from those of the usual batch in any bit is never chosen, so that
    the clock has no say in what a model answers. The clock counts this thread's own work: others
    on the machine do not disturb it.
    """
    usual = usual_batch(images[0].nbytes)
    expected, limit = _timed(run, images, usual, clock)
    if limit * usual > _LONGEST_CALL_S:
        return usual
    best, limit = usual, limit * _GAIN
    for size in _fitting(images[0].nbytes):
        if size == usual:
            continue
        outputs, seconds = _timed(run, images, size, clock)
        if seconds < limit and np.array_equal(outputs, expected):
            best, limit = size, seconds
    return best


def _timed(run: Run, images: Inputs, size: int, clock: Callable[[], float]) -> tuple[NDArray[np.float32], float]:
    """Return the answers and the seconds per image of the fastest call; the first call only warms up."""
    run(images[:size])
    outputs: list[NDArray[np.float32]] = []
    seconds: list[float] = []
    for start, stop in spans(len(images), size):
        begin = clock()
        outputs.append(run(images[start:stop]))
        seconds.append((clock() - begin) / (stop - start))
    return np.concatenate(outputs), min(seconds)


def batch_for(run: Run, inputs: Callable[[int, int], Inputs], n: int, *, probed_from: int) -> int:
    """Return the batch for ``n`` images: probed from so many images on, else the usual one."""
    if n >= probed_from:
        return chosen_batch(run, inputs(0, PROBED))
    return usual_batch(inputs(0, 1)[0].nbytes) if n else 1
