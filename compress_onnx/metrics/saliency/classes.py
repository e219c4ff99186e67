"""How saliency moved class by class: mean deviation, and whether a class's mean map moved beyond chance."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.metrics.saliency.mean_shift import block_means, effects
from compress_onnx.metrics.statistics import FRACTION, SignFlips, benjamini_hochberg, bootstrap_mean
from compress_onnx.records import Better, ClassSaliency, Measure

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Cells along a side of the grid on which a class is tested: coarse, since classes are small, and 256 bytes a sample.
COARSE = 8
# More than for all pictures together: the smallest p-value, 0.0005, survives the correction for 100 classes.
PERMUTATIONS = 1999


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassSamples:
    """What each counted sample leaves: its class, its deviation, and its difference map on a coarse grid.

    ``classes`` (N,) int64, ``deviation`` (N,) float64, ``differences`` (N, cells) float32.
    """

    classes: NDArray[np.int64]
    deviation: NDArray[np.float64]
    differences: NDArray[np.float32]


def coarse(differences: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return difference maps (B, h, w) averaged to at most 8 x 8 cells, one row (B, cells) per sample.

    >>> coarse(np.ones((2, 16, 16))).shape
    (2, 64)
    """
    block = -(-max(differences.shape[1:]) // COARSE)
    return block_means(differences, block).reshape(len(differences), -1).astype(np.float32)


def class_saliency(
    samples: ClassSamples, class_names: Sequence[str], rng: np.random.Generator
) -> tuple[ClassSaliency, ...]:
    """Return each class that has samples, in the order of the names.

    The sign-flip test of :mod:`compress_onnx.metrics.statistics.sign_flips` runs on each class of ten samples
    or more, and its p-values are adjusted over those classes (Benjamini & Hochberg 1995).

    >>> some = ClassSamples(classes=np.zeros(1, int), deviation=np.ones(1), differences=np.ones((1, 4), np.float32))
    >>> [(one.class_name, one.n, one.p_value) for one in class_saliency(some, ["cat", "dog"], np.random.default_rng(0))]
    [('cat', 1, None)]
    """
    results = [
        _one(class_names[label], samples, np.flatnonzero(samples.classes == label), rng)
        for label in np.unique(samples.classes)
    ]
    tested = [one for one in results if one.p_value is not None]
    adjusted = benjamini_hochberg(np.array([one.p_value for one in tested], dtype=np.float64))
    q_values = {one.class_name: float(q) for one, q in zip(tested, adjusted, strict=True)}
    return tuple(dataclasses.replace(one, q_value=q_values.get(one.class_name)) for one in results)


def _one(name: str, samples: ClassSamples, rows: NDArray[np.int64], rng: np.random.Generator) -> ClassSaliency:
    deviation, differences = samples.deviation[rows], samples.differences[rows]
    flips = SignFlips(differences.shape[1], rng, permutations=PERMUTATIONS)
    flips.add(differences)
    test = flips.test()
    effect = None
    if test is not None:
        effect = float(np.sqrt(max(0.0, effects(flips.total, flips.squares, flips.n)[0])))
    return ClassSaliency(
        class_name=name,
        n=len(rows),
        mean_absolute_deviation=Measure(
            value=float(deviation.mean()),
            unit=FRACTION,
            better=Better.LOWER,
            n=len(rows),
            interval=bootstrap_mean(deviation, rng),
        ),
        effect=effect,
        p_value=None if test is None else test.p_value,
        q_value=None,
    )
