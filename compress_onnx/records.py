"""The records every stage hands to the next: frozen, documented, and written to disk as JSON.

Fractions are 0 to 1; units stand in the names; a number that cannot be given is ``None`` with a
reason beside it, never NaN. Arrays are documented with shape and dtype. What is read back from
disk is validated by :mod:`compress_onnx.store`.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias, TypeVar, dataclass_transform

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCHEMA_VERSION = 1

T = TypeVar("T")
OptionValue: TypeAlias = bool | int | float | str | list[str] | list[float] | list[int] | None


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(cls: type[T]) -> type[T]:
    """Make a class a record: frozen, slotted, keyword-only, and strict about unknown fields."""
    built = dataclasses.dataclass(frozen=True, slots=True, kw_only=True)(cls)
    # Read by pydantic when a record is validated; a plain dict keeps this module free of pydantic.
    built.__pydantic_config__ = {"extra": "forbid", "allow_inf_nan": False}  # type: ignore[attr-defined]  # no such slot declared
    return built


class Precision(StrEnum):
    """Weight and activation bits of an artifact."""

    FP32 = "fp32"
    W8A8 = "w8a8"
    W4A8 = "w4a8"
    MIXED = "mixed"


class Better(StrEnum):
    """Direction in which a measure improves."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


class FlipKind(StrEnum):
    """What happened to one sample's predicted class, from baseline to candidate."""

    SAME = "same"
    NEGATIVE = "negative"
    POSITIVE = "positive"
    LATERAL = "lateral"
    UNLABELLED = "unlabelled"


class Outcome(StrEnum):
    """What a rule, or all rules together, decided."""

    PASS = "pass"  # noqa: S105  # an outcome, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@record
class Interval:
    """Two bounds that hold the true value with probability ``level``; ``method`` names the source."""

    low: float
    high: float
    level: float
    method: str


@record
class Measure:
    """One number with what it owes its reader.

    ``value`` is ``None`` exactly when ``undefined_reason`` says why. ``n`` counts the samples
    behind it.
    """

    value: float | None
    unit: str
    better: Better
    n: int
    interval: Interval | None = None
    undefined_reason: str | None = None


@record
class Preprocessing:
    """How a picture becomes the model's input: resize, divide by 255, subtract mean, divide by std.

    ``mean`` and ``std`` have one entry per channel (3 for RGB, 1 for grey); ``layout`` is
    ``NCHW`` or ``NHWC``; ``height`` and ``width`` are in pixels.
    """

    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    layout: str = "NCHW"

    @property
    def channels(self) -> int:
        """Number of input channels."""
        return len(self.mean)


@record
class RecipeStep:
    """One step that made an artifact: its name, resolved options and duration."""

    name: str
    options: dict[str, OptionValue]
    seconds: float


@record
class Footprint:
    """Bytes of an artifact on disk and zipped (deflate, level 6), and its weights.

    ``weights`` counts the elements of the prunable initializers, ``nonzero_weights`` those that
    are not zero after dequantisation.
    """

    file_bytes: int
    zip_bytes: int
    weights: int
    nonzero_weights: int


@record
class Artifact:
    """One model file with hash and recipe. ``path`` is relative to the run's folder when inside it."""

    name: str
    path: str
    sha256: str
    precision: Precision
    sparsity: float
    opset: int
    file_bytes: int
    zip_bytes: int
    weights: int
    nonzero_weights: int
    parent_sha256: str | None
    recipe: tuple[RecipeStep, ...]
    warnings: tuple[str, ...] = ()


@record
class DatasetInfo:
    """A set of images: its name, split, size, classes in label order, and content hash."""

    name: str
    split: str
    n: int
    class_names: tuple[str, ...]
    sha256: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """What one artifact answered on one data set.

    ``sample_ids`` (N,) str; ``labels`` (N,) int64 or ``None``; ``logits`` (N, C) float32 as the
    file returns them; ``cpu`` names where it ran.
    """

    sample_ids: NDArray[np.str_]
    labels: NDArray[np.int64] | None
    logits: NDArray[np.float32]
    artifact_sha256: str
    dataset_sha256: str
    cpu: str


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
    """One class: how often it occurs, recall of both models, paired change and its significance."""

    class_name: str
    support: int
    recall_baseline: Measure
    recall_candidate: Measure
    change: Measure
    p_value: float | None
    p_holm: float | None


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


@record
class TwinFidelity:
    """How exactly the PyTorch twin computes what ONNX Runtime computes on ``n`` samples."""

    n: int
    top1_agreement: float
    max_abs_logit_diff: float
    accepted: bool


@record
class SaliencyGroup:
    """Saliency similarity over one group of samples (all, same or flipped predictions).

    Deviation is the mean absolute difference of min-max-normalised maps, 0 to 1.
    """

    n: int
    mean_absolute_deviation: Measure
    spearman: Measure
    top_k_overlap: Measure
    ssim: Measure


@record
class SaliencyShift:
    """How far the candidate's attribution maps moved, between two anchors.

    ``noise_floor`` is the baseline against itself under half a grey level of input noise,
    ``randomised_ceiling`` the baseline against a copy with re-drawn weights.
    """

    method: str
    target: str
    n: int
    fidelity_baseline: TwinFidelity
    fidelity_candidate: TwinFidelity
    over_all: SaliencyGroup | None
    over_same: SaliencyGroup | None
    over_flipped: SaliencyGroup | None
    noise_floor: float | None
    randomised_ceiling: float | None
    undefined_reason: str | None = None


@record
class LatencyRun:
    """Timed calls of one artifact: raw milliseconds per call, warm-up kept apart."""

    values_ms: tuple[float, ...]
    warmup_ms: tuple[float, ...]
    load_ms: float
    p50_ms: Measure
    p90_ms: Measure
    p99_ms: Measure


@record
class LatencyComparison:
    """Interleaved latency of baseline and candidate in one process tree on one CPU."""

    threads: int
    batch: int
    rounds: int
    baseline: LatencyRun
    candidate: LatencyRun
    speedup: Measure
    warnings: tuple[str, ...]


@record
class FloatNode:
    """A node that the runtime computes in floating point, and why."""

    op: str
    name: str
    reason: str


@record
class FusionReceipt:
    """What the runtime made of a file: integer kernels, float nodes, Q/DQ pairs left over."""

    quantised_nodes: int
    float_nodes: tuple[FloatNode, ...]
    stray_qdq: int
    int8_fraction: float


@record
class GateCheck:
    """One rule of a policy against what was observed."""

    rule: str
    candidate: str
    observed: float | None
    interval: Interval | None
    outcome: Outcome
    reason: str
    samples_needed: int | None


@record
class Verdict:
    """All rules together: ``fail`` if one fails, else ``inconclusive`` if one is, else ``pass``."""

    outcome: Outcome
    policy_sha256: str
    checks: tuple[GateCheck, ...]


@record
class Comparison:
    """Everything known about one candidate against the baseline; ``None`` was not asked for."""

    baseline_sha256: str
    candidate_sha256: str
    candidate_name: str
    accuracy: AccuracyChange
    flips: FlipSummary
    classes: tuple[ClassResult, ...]
    confusion: ConfusionChange | None
    confidence: ConfidenceShift
    saliency: SaliencyShift | None
    latency: LatencyComparison | None
    footprint_baseline: Footprint
    footprint_candidate: Footprint
    fusion: FusionReceipt | None
    extra: dict[str, Measure] = dataclasses.field(default_factory=dict)


@record
class CalibrationInfo:
    """Which training images chose the quantisation ranges: manifest name, size, seed and hash."""

    manifest: str
    n: int
    seed: int
    sha256: str


@record
class Environment:
    """Where the numbers were measured: versions of the packages, the CPU and its abilities."""

    python: str
    system: str
    packages: dict[str, str]
    cpu_model: str
    cpu_features: tuple[str, ...]
    cpu_saturates: bool
    cpu_target: str
    cores: int


@record
class RunRecord:
    """One command's whole outcome: ``run.json``."""

    schema_version: int
    run_id: str
    started_at: str
    command: tuple[str, ...]
    config: dict[str, OptionValue]
    environment: Environment
    dataset: DatasetInfo
    preprocessing: Preprocessing
    calibration: CalibrationInfo | None
    artifacts: tuple[Artifact, ...]
    comparisons: tuple[Comparison, ...]
    verdict: Verdict | None


def undefined(reason: str, *, unit: str, better: Better, n: int = 0) -> Measure:
    """Return a measure that could not be taken, with the reason.

    >>> undefined("no labels", unit="fraction", better=Better.HIGHER).value is None
    True
    """
    return Measure(value=None, unit=unit, better=better, n=n, undefined_reason=reason)
