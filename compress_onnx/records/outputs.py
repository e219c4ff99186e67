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
    UNLABELLED = "unlabeled"


@record
class AccuracyChange:
    """Accuracy of both models and the paired change (candidate minus baseline).

    Top-1, and top-5 where the models tell more than five classes apart.
    """

    baseline: Measure
    candidate: Measure
    change: Measure
    top5_baseline: Measure | None = None
    top5_candidate: Measure | None = None
    top5_change: Measure | None = None


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
    negative_rate: Measure | None = None
    positive_rate: Measure | None = None
    lateral_rate: Measure | None = None


@record
class ClassResult:
    """One class: how often it occurs, recall of both models, paired change and its significance.

    ``lost`` and ``won`` count its samples that only the baseline and only the candidate got right.
    ``p_holm`` is for decisions, ``p_benjamini_hochberg`` for reading; ``detectable_loss`` is the
    smallest true loss of recall that this many samples would have shown.
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
    p_benjamini_hochberg: float | None = None
    detectable_loss: Measure | None = None


@record
class ClassPattern:
    """Whether the changes of recall differ between classes by more than chance.

    ``spread`` is the standard deviation of the true changes between classes, the part that chance
    explains taken off; ``statistic`` and ``p_value`` are those of a permutation test of equal
    changes over ``n_classes`` classes with samples.
    """

    spread: Measure
    p_value: Measure
    statistic: float | None
    n_classes: int
    permutations: int


@record
class ChangedConfusion:
    """One kind of mistake whose count changed: true class taken for another."""

    true_class: str
    predicted_class: str
    baseline: int
    candidate: int

    @property
    def change(self) -> int:
        """Candidate's count minus baseline's: positive means more mistakes."""
        return self.candidate - self.baseline


@record
class ConfusionChange:
    """Confusion counts of both models, only the cells that either model fills.

    The i-th cell counts samples of class ``true_class[i]`` taken for ``predicted_class[i]``, in
    row order: a table of 1,000 classes has a million cells, and as many counts as samples.
    ``most_changed`` are the mistakes that gained or lost most, largest change first.
    """

    true_class: tuple[int, ...]
    predicted_class: tuple[int, ...]
    baseline: tuple[int, ...]
    candidate: tuple[int, ...]
    most_changed: tuple[ChangedConfusion, ...] = ()


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
    """How the probability of the predicted class moved from baseline to candidate.

    ECE is over bins of equal width, ``ece_equal_mass`` over bins of equally many samples; changes
    are candidate minus baseline.
    """

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
    margin_baseline: Measure | None = None
    margin_candidate: Measure | None = None
    margin_change: Measure | None = None
    ece_change: Measure | None = None
    ece_equal_mass_baseline: Measure | None = None
    ece_equal_mass_candidate: Measure | None = None
    ece_equal_mass_change: Measure | None = None
    nll_change: Measure | None = None
    brier_baseline: Measure | None = None
    brier_candidate: Measure | None = None
    brier_change: Measure | None = None


@record
class OutputDivergence:
    """How far the candidate's outputs are from the baseline's; needs no labels.

    The divergences compare the probabilities, the logit errors what the files return, candidate
    minus baseline: undefined where a model returns probabilities.
    """

    jensen_shannon: Measure
    kullback_leibler: Measure
    logit_mean_absolute_error: Measure
    logit_rms_error: Measure
    logit_max_error: Measure
    logit_signal_to_noise: Measure


@record
class ConformalSets:
    """Prediction sets of both models at the threshold that the baseline's calibration half set.

    ``threshold`` is the smallest probability at which a class enters a set; ``worst_class`` the
    class whose coverage by the candidate's sets is lowest.
    """

    level: float
    threshold: float | None
    coverage_baseline: Measure
    coverage_candidate: Measure
    coverage_change: Measure
    size_baseline: Measure
    size_candidate: Measure
    size_change: Measure
    worst_class: str | None
    worst_coverage_baseline: Measure
    worst_coverage_candidate: Measure
    worst_size_baseline: Measure
    worst_size_candidate: Measure


@record
class TemperatureRepair:
    """The temperature that makes each model's confidence keep its word, and what it achieves.

    Fitted on the calibration half; the errors (ECE) are those of the evaluation half.
    """

    temperature_baseline: Measure
    temperature_candidate: Measure
    ece_baseline: Measure
    ece_candidate: Measure
    repaired_ece_baseline: Measure
    repaired_ece_candidate: Measure


@record
class UncertaintyShift:
    """Whether the baseline's uncertainty still holds for the candidate.

    Samples are split by ``seed`` into a half that calibrates and a half that judges.
    """

    seed: int
    calibration_n: int
    evaluation_n: int
    sets: ConformalSets
    temperature: TemperatureRepair
