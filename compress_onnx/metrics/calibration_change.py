"""Expected calibration error (ECE) of both models and its change, over two kinds of bins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress_onnx.metrics.measures import FRACTION, NO_LABELS
from compress_onnx.metrics.reliability import equal_mass_bins, equal_width_bins, weighted_gap
from compress_onnx.records import Better, Measure, undefined

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from compress_onnx.metrics.pair import LogitPair
    from compress_onnx.metrics.scores import Scores

BINNINGS = (equal_width_bins, equal_mass_bins)


def calibration_errors(pair: LogitPair) -> tuple[tuple[Measure, Measure, Measure], ...]:
    """Return the ECE of baseline and candidate and its change, for each of ``BINNINGS``.

    None has an interval. Chance inflates an ECE most where a model is nearly calibrated, and no
    bootstrap undoes it: simulated at 1,500 to 4,000 samples, the paired basic bootstrap (Davison &
    Hinkley 1997, section 5.2) at a nominal 95 % covered the true change 68 to 80 % of the time where
    the baseline was calibrated, percentiles 31 to 46 %. NLL and Brier score have changes with
    intervals. Undefined without labels.

    >>> import numpy as np
    >>> from compress_onnx.metrics.pair import LogitPair
    >>> logits = np.array([[0.0, 0.0], [0.0, 0.0]], dtype=np.float32)
    >>> pair = LogitPair(labels=np.array([0, 1]), baseline=logits, candidate=logits, class_names=("a", "b"))
    >>> [measure.value for measure in calibration_errors(pair)[0]]
    [0.0, 0.0, 0.0]
    """
    if pair.labels is None:
        nothing = undefined(NO_LABELS, unit=FRACTION, better=Better.LOWER)
        return tuple((nothing, nothing, nothing) for _ in BINNINGS)
    return tuple(_errors(pair, pair.labels, bins) for bins in BINNINGS)


def _errors(
    pair: LogitPair, labels: NDArray[np.int64], bins: Callable[[NDArray[np.float64]], NDArray[np.int64]]
) -> tuple[Measure, Measure, Measure]:
    before, after = (_error(scores, labels, bins) for scores in (pair.baseline_scores, pair.candidate_scores))
    first, second, change = (
        Measure(value=value, unit=FRACTION, better=Better.LOWER, n=pair.n) for value in (before, after, after - before)
    )
    return first, second, change


def _error(
    scores: Scores, labels: NDArray[np.int64], bins: Callable[[NDArray[np.float64]], NDArray[np.int64]]
) -> float:
    # A pair has at least one sample, so that the error exists.
    return weighted_gap(bins(scores.confidence), (scores.predicted == labels) - scores.confidence) or 0.0
