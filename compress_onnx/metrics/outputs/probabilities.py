"""From a model's outputs to classes and probabilities.

A classifier ends in logits, or in a softmax of its own: then its outputs are probabilities
already and a second softmax would flatten them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Outputs: TypeAlias = "NDArray[np.floating[Any]]"

# What float32 can tell from zero beside one; the floor scikit-learn's log_loss uses for float32.
SMALLEST_PROBABILITY = float(np.finfo(np.float32).eps)
SUM_TOLERANCE = 1e-3
# A softmax quantized to 256 levels misses a sum of 1 by up to half a level per class.
QUANTISED_SUM_TOLERANCE = 0.2
# Elements worked on at once, 4 MiB in float64: stays in cache and keeps memory flat.
_BLOCK = 2**19


class OutputKind(StrEnum):
    """What a model's last layer gives."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"


def softmax(logits: Outputs) -> NDArray[np.float64]:
    """Return the softmax over the last axis of (N, C) logits, float64, without overflow.

    >>> softmax(np.array([[1000.0, 1000.0]])).tolist()
    [[0.5, 0.5]]
    """
    shifted = _shifted(logits)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=-1, keepdims=True)
    return shifted


def log_softmax(logits: Outputs) -> NDArray[np.float64]:
    """Return the logarithm of the softmax of (N, C) logits, float64, finite for finite logits.

    >>> log_softmax(np.array([[0.0, 2000.0]])).tolist()
    [[-2000.0, 0.0]]
    """
    shifted = _shifted(logits)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


def predicted(outputs: Outputs) -> NDArray[np.int64]:
    """Return the class (N,) of the largest output; among equal ones the lowest index.

    >>> predicted(np.array([[1.0, 3.0, 3.0]])).tolist()
    [1]
    """
    return np.asarray(outputs.argmax(axis=-1), dtype=np.int64)


def confidence(probabilities: Outputs) -> NDArray[np.float64]:
    """Return the largest probability (N,) of each row of (N, C).

    >>> confidence(np.array([[0.2, 0.7, 0.1]])).tolist()
    [0.7]
    """
    return np.asarray(probabilities.max(axis=-1), dtype=np.float64)


def margin(probabilities: Outputs) -> NDArray[np.float64]:
    """Return the largest minus the second largest probability (N,) of (N, C), C at least 2.

    >>> margin(np.array([[0.25, 0.75, 0.0]])).tolist()
    [0.5]
    """
    top = np.partition(probabilities, -2, axis=-1)[..., -2:].astype(np.float64)
    return np.asarray(top[..., 1] - top[..., 0])


def looks_like_probabilities(outputs: Outputs, tolerance: float = SUM_TOLERANCE) -> bool:
    """Tell whether all rows of (N, C) are non-negative and sum to 1 within ``tolerance``.

    >>> looks_like_probabilities(np.array([[0.2, 0.8]])), looks_like_probabilities(np.array([[0.2, 0.9]]))
    (True, False)
    """
    if outputs.min() < 0:
        return False
    return bool(np.abs(outputs.sum(axis=-1, dtype=np.float64) - 1).max() <= tolerance)


def as_probabilities(outputs: Outputs) -> NDArray[np.float64]:
    """Return probabilities (N, C): the outputs, scaled to sum 1, if they look so, else their softmax.

    >>> as_probabilities(np.array([[0.25, 0.75]])).tolist()
    [[0.25, 0.75]]
    """
    if not looks_like_probabilities(outputs):
        return softmax(outputs)
    return _scaled(outputs)


def output_kinds(baseline: Outputs, candidate: Outputs) -> tuple[OutputKind, OutputKind]:
    """Return what both models give, (N, C) each.

    Where one gives probabilities, the other is allowed the coarser sums of a quantized softmax.

    >>> output_kinds(np.array([[0.5, 0.5]]), np.array([[0.5, 0.45]]))
    (<OutputKind.PROBABILITIES: 'probabilities'>, <OutputKind.PROBABILITIES: 'probabilities'>)
    """
    one_is_sure = looks_like_probabilities(baseline) or looks_like_probabilities(candidate)
    return _kind(baseline, one_is_sure), _kind(candidate, one_is_sure)


def log_probabilities(outputs: Outputs, kind: OutputKind) -> NDArray[np.float64]:
    """Return finite log-probabilities (N, C) in nats.

    Probabilities are scaled to sum 1 and raised to :data:`SMALLEST_PROBABILITY`: a quantized
    softmax answers 0, and its logarithm would end every mean.

    >>> log_probabilities(np.array([[1.0, 0.0]]), OutputKind.PROBABILITIES).round(2).tolist()
    [[0.0, -15.94]]
    """
    if kind is OutputKind.LOGITS:
        return log_softmax(outputs)
    return np.log(np.maximum(_scaled(outputs), SMALLEST_PROBABILITY))


def row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield slices that cover the rows of an array of this shape in blocks of a few MiB.

    >>> list(row_blocks((3, 2**19)))
    [slice(0, 1, None), slice(1, 2, None), slice(2, 3, None)]
    """
    elements = int(np.prod(shape[1:]))
    rows = max(1, _BLOCK // max(1, elements))
    for start in range(0, shape[0], rows):
        yield slice(start, min(start + rows, shape[0]))


def _kind(outputs: Outputs, one_is_sure: bool) -> OutputKind:  # noqa: FBT001  # private; two facts make one kind
    tolerance = QUANTISED_SUM_TOLERANCE if one_is_sure else SUM_TOLERANCE
    return OutputKind.PROBABILITIES if looks_like_probabilities(outputs, tolerance) else OutputKind.LOGITS


def _shifted(logits: Outputs) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=-1, keepdims=True)
    return shifted


def _scaled(probabilities: Outputs) -> NDArray[np.float64]:
    scaled = probabilities.astype(np.float64)
    scaled /= scaled.sum(axis=-1, keepdims=True)
    return scaled
