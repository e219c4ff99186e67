"""Whether class effects follow a pattern: is their spread larger than chance explains."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.metrics.outputs.flips import P_VALUE
from compress_onnx.metrics.statistics import FRACTION, NO_LABELS
from compress_onnx.options import SEED
from compress_onnx.records import Better, ClassPattern, Measure, undefined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress_onnx.metrics.outputs.pair import LogitPair

# A p-value of 0.05 is then known to within 0.007 (one standard error), the smallest possible is 0.001.
PERMUTATIONS = 999
# Flips by which a class's own rate is drawn towards the pooled one. With 1 the test keeps its level where
# small classes flip twenty times as often as large ones, both ways; 3 and 10 find a little more, but
# then call 14 and 48 % of such cases a pattern (without the class's own rate: 90 %).
PRIOR = 1
ONE_CLASS = "fewer than two classes have samples"
FEW_SAMPLES = "fewer than two classes have two samples"


def class_pattern(
    pair: LogitPair, rng: np.random.Generator | None = None, *, permutations: int = PERMUTATIONS
) -> ClassPattern:
    """Return whether the changes of recall differ between classes by more than chance, and by how much.

    The null hypothesis: every class's recall changes by the same amount. The statistic
    (:func:`homogeneity`) is compared with its values after ``permutations`` random reassignments of
    the samples to the classes, sizes kept; the p-value counts the observed one among them (Phipson &
    Smyth 2010). Where classes also flip equally often the test is exact; because the statistic is
    studentized it keeps its level approximately where some classes merely flip more, in both
    directions (Chung & Romano 2013, Annals of Statistics 41, 484-507). ``rng`` draws the
    reassignments, by default one of the default seed.

    >>> from compress_onnx.metrics.outputs.pair import LogitPair
    >>> logits = np.eye(2, dtype=np.float32)[[0, 0, 1, 1]]
    >>> pair = LogitPair(labels=np.array([0, 0, 1, 1]), baseline=logits, candidate=logits, class_names=("a", "b"))
    >>> pattern = class_pattern(pair)
    >>> pattern.spread.value, pattern.p_value.value
    (0.0, 1.0)
    """
    if pair.labels is None:
        return _nothing(NO_LABELS, classes=0)
    support = np.bincount(pair.labels, minlength=len(pair.class_names))
    own = np.cumsum(support > 0)[pair.labels] - 1
    support = support[support > 0]
    if len(support) < 2:
        return _nothing(ONE_CLASS, classes=len(support))
    step = _steps(pair, pair.labels)
    lost, won = (np.bincount(own[step == sign], minlength=len(support)) for sign in (-1, 1))
    statistic = float(homogeneity(lost, won, support))
    generator = np.random.default_rng(SEED.default) if rng is None else rng
    totals = int(lost.sum()), int(won.sum())
    # Equal tables may differ in the last digit; they count as at least as large.
    as_large = sum(_permuted(own, totals, support, generator) >= statistic * (1 - 1e-12) for _ in range(permutations))
    p_value = (1 + as_large) / (1 + permutations)
    return ClassPattern(
        spread=_spread(lost, won, support),
        p_value=Measure(value=p_value, unit=P_VALUE, better=Better.NEITHER, n=pair.n),
        statistic=statistic,
        n_classes=len(support),
        permutations=permutations,
    )


def homogeneity(
    lost: NDArray[np.int64], won: NDArray[np.int64], support: NDArray[np.int64]
) -> NDArray[np.float64] | np.float64:
    """Return the studentized spread of the classes' net changes, over the last axis (K,).

    ``sum_k (D_k - n_k D / n)^2 / V_k`` with D_k = won - lost. V_k is what chance alone would spread:
    the class's exchange e_k (twice the smaller of lost and won, plus the common change's share, at
    most their sum), so that a loss of its own does not excuse itself, drawn towards the pooled
    rate psi of flips by ``PRIOR`` of them, ``n_k (e_k + a) / (n_k + a / psi)``. 0 without any flip.

    >>> float(homogeneity(np.array([4, 0]), np.array([0, 0]), np.array([10, 10])).round(3))
    8.0
    """
    n, net, discordant = support.sum(), won - lost, lost + won
    psi = np.maximum(discordant.sum(axis=-1, keepdims=True), 1) / n
    expected = support * net.sum(axis=-1, keepdims=True) / n
    exchange = np.minimum(discordant, 2 * np.minimum(lost, won) + np.abs(expected))
    variance = support * (exchange + PRIOR) / (support + PRIOR / psi)
    return np.asarray(((net - expected) ** 2 / variance).sum(axis=-1))[()]


def between_class_variance(lost: NDArray[np.int64], won: NDArray[np.int64], support: NDArray[np.int64]) -> float | None:
    """Return the variance of the true changes between (K,) classes, what chance explains taken off.

    The method of moments (Cochran 1954, Biometrics 10, 101-129) with each class's own sampling
    variance: ``sum_k n_k (d_k - d)^2`` minus its expectation under equal true changes, divided by
    ``n - sum_k n_k^2 / n``. Negative where classes differ less than chance; ``None`` unless two
    classes have two samples or more: one sample shows no variance, so its class is left out.

    >>> between_class_variance(np.array([50, 0]), np.array([0, 0]), np.array([100, 100])).__round__(3)
    0.124
    """
    spreads = support > 1
    lost, won, support = lost[spreads], won[spreads], support[spreads]
    if len(support) < 2:
        return None
    n = support.sum()
    change = (won - lost) / support
    total = (won - lost).sum() / n
    within = ((lost + won) / support - change**2) * support / (support - 1)
    surplus = (support * (change - total) ** 2).sum() - (within * (1 - support / n)).sum()
    return float(surplus / (n - (support**2).sum() / n))


def _steps(pair: LogitPair, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return -1 where only the baseline is right, 1 where only the candidate is, else 0, (N,)."""
    candidate = pair.candidate_scores.predicted == labels
    return np.asarray(candidate.astype(np.int64) - (pair.baseline_scores.predicted == labels))


def _permuted(
    own: NDArray[np.int64], totals: tuple[int, int], support: NDArray[np.int64], rng: np.random.Generator
) -> float:
    """Return the statistic after one reassignment; only the samples that flipped need to be drawn."""
    (lost, won), size = totals, len(support)
    drawn = own[rng.choice(len(own), size=lost + won, replace=False)]
    there, back = np.bincount(drawn[:lost], minlength=size), np.bincount(drawn[lost:], minlength=size)
    return float(homogeneity(there, back, support))


def _spread(lost: NDArray[np.int64], won: NDArray[np.int64], support: NDArray[np.int64]) -> Measure:
    variance = between_class_variance(lost, won, support)
    if variance is None:
        return undefined(FEW_SAMPLES, unit=FRACTION, better=Better.LOWER)
    return Measure(value=math.sqrt(max(variance, 0.0)), unit=FRACTION, better=Better.LOWER, n=int(support.sum()))


def _nothing(reason: str, *, classes: int) -> ClassPattern:
    return ClassPattern(
        spread=undefined(reason, unit=FRACTION, better=Better.LOWER),
        p_value=undefined(reason, unit=P_VALUE, better=Better.NEITHER),
        statistic=None,
        n_classes=classes,
        permutations=0,
    )
