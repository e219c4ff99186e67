"""What two models' outputs on the same samples say."""

from __future__ import annotations

from enum import StrEnum

from compress_onnx.records.base import Measure, record


class FlipKind(StrEnum):
    """What happened to one sample's predicted class, from baseline to candidate."""

    SAME = "same"
    NEGATIVE = "negative"
    POSITIVE = "positive"
    LATERAL = "lateral"
    UNLABELLED = "unlabelled"


@record
class AccuracyChange:
    """Top-1 accuracy of both models and the paired change (candidate minus baseline)."""

    baseline: Measure
    candidate: Measure
    change: Measure


@record
class FlipSummary:
    """How many predictions changed; ``None`` counts mean the data has no labels."""

    n: int
    flips: int
    negative: int | None
    positive: int | None
    lateral: int | None
    rate: Measure
    mcnemar_p: Measure


@record
class ClassResult:
    """One class: how often it occurs, recall of both models, paired change and its significance.

    ``lost`` and ``won`` count its samples that only the baseline and only the candidate got right.
    """

    class_name: str
    support: int
    recall_baseline: Measure
    recall_candidate: Measure
    change: Measure
    p_value: float | None
    p_holm: float | None
    lost: int | None = None
    won: int | None = None


@record
class ConfusionChange:
    """Confusion counts of both models, (C, C): rows true class, columns predicted class."""

    counts_baseline: tuple[tuple[int, ...], ...]
    counts_candidate: tuple[tuple[int, ...], ...]


@record
class Histogram:
    """Counts (B,) between ascending edges (B + 1,); the last bin holds its right edge."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@record
class ReliabilityBin:
    """Predictions whose confidence lies in [low, high): mean confidence and accuracy, or ``None``."""

    low: float
    high: float
    n: int
    mean_confidence: float | None
    accuracy: float | None


@record
class ConfidenceShift:
    """How the probability of the predicted class moved from baseline to candidate."""

    mean_baseline: Measure
    mean_candidate: Measure
    change_all: Measure
    change_same: Measure
    change_flipped: Measure
    ece_baseline: Measure
    ece_candidate: Measure
    nll_baseline: Measure
    nll_candidate: Measure
    change_histogram: Histogram
    reliability_baseline: tuple[ReliabilityBin, ...]
    reliability_candidate: tuple[ReliabilityBin, ...]
