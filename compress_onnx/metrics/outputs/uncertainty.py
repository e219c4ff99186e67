"""Does the baseline's uncertainty carry over: conformal sets, and the temperature that repairs confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.metrics.outputs.conformal import conformal_sets, no_sets
from compress_onnx.metrics.outputs.temperature import no_repair, temperature_repair
from compress_onnx.metrics.statistics import NO_LABELS
from compress_onnx.options import SEED
from compress_onnx.records import UncertaintyShift

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress_onnx.metrics.outputs.pair import LogitPair

ONE_SAMPLE = "one sample cannot both calibrate and judge"


def uncertainty_shift(pair: LogitPair, seed: int = SEED.default) -> UncertaintyShift:
    """Return conformal sets and temperatures of both models, fitted on one half and judged on the other.

    The calibration half are ``N // 2`` samples drawn by ``seed``, the run's, so that its candidates share them.
    Undefined without labels and for a single sample.

    >>> from compress_onnx.metrics.outputs.pair import LogitPair
    >>> logits = np.eye(2, dtype=np.float32)
    >>> pair = LogitPair(labels=None, baseline=logits, candidate=logits, class_names=("a", "b"))
    >>> uncertainty_shift(pair).sets.coverage_candidate.undefined_reason
    'the data has no labels'
    """
    if pair.labels is None or pair.n < 2:
        reason = NO_LABELS if pair.labels is None else ONE_SAMPLE
        return UncertaintyShift(
            seed=seed, calibration_n=0, evaluation_n=0, sets=no_sets(reason), temperature=no_repair(reason)
        )
    calibration, evaluation = halves(pair.n, np.random.default_rng(seed))
    return UncertaintyShift(
        seed=seed,
        calibration_n=len(calibration),
        evaluation_n=len(evaluation),
        sets=conformal_sets(pair, calibration, evaluation),
        temperature=temperature_repair(pair, calibration, evaluation),
    )


def halves(n: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices, ascending, of a random half of ``n // 2`` samples and of the others.

    >>> [len(half) for half in halves(5, np.random.default_rng(0))]
    [2, 3]
    """
    order = rng.permutation(n)
    return np.sort(order[: n // 2]), np.sort(order[n // 2 :])
