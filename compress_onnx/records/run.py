"""A run: everything known about the candidates of one baseline."""

from __future__ import annotations

import dataclasses

from compress_onnx.records.artifacts import (
    Artifact,
    CalibrationInfo,
    DatasetInfo,
    Environment,
    Footprint,
    FusionReceipt,
    Preprocessing,
)
from compress_onnx.records.base import Measure, OptionValue, record
from compress_onnx.records.cross_cpu import CrossCpu
from compress_onnx.records.latency import LatencyComparison
from compress_onnx.records.outputs import (
    AccuracyChange,
    ClassPattern,
    ClassResult,
    ConfidenceShift,
    ConfusionChange,
    FlipSummary,
    OutputDivergence,
    UncertaintyShift,
)
from compress_onnx.records.saliency import SaliencyShift
from compress_onnx.records.verdict import Verdict


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
    class_pattern: ClassPattern | None = None
    divergence: OutputDivergence | None = None
    uncertainty: UncertaintyShift | None = None
    cross_cpu: CrossCpu | None = None


@record
class BatchIndependence:
    """Whether a file's prediction for an image is the same whatever other images are in the call, as it was found out.

    ``checked`` images were predicted alone, in a call of ``batch`` and in another one whose other
    images were exaggerated. ``changed`` of ``compared`` predictions differ between calls of
    ``batch`` and those that count, logits by up to ``largest_difference``. Where predictions depend on
    the call, ``predicted_batch`` images went into each that counts, and ``causes`` are the nodes
    that look across images, as far as the graph shows. ``draws`` are nodes that draw at random,
    though equal calls had equal outputs.
    """

    independent: bool
    checked: int
    batch: int
    changed: int
    compared: int
    largest_difference: float
    predicted_batch: int | None = None
    causes: tuple[str, ...] = ()
    draws: tuple[str, ...] = ()


@record
class PredictionRun:
    """How a file's predictions came about; of this only the batch may change them, and ``independence`` says whether.

    ``batch`` images went into one call and ``threads`` calls ran at a time, both ``None`` where the
    predictions were found in the cache. ``independence`` is ``None`` where it was not checked.
    """

    name: str
    batch: int | None
    threads: int | None
    seconds: float
    independence: BatchIndependence | None = None


@record
class RunRecord:
    """One command's whole outcome: ``run.json``.

    ``timed_on`` is where latencies and resident memory were measured, ``None`` where ``environment`` is.
    """

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
    predicted: tuple[PredictionRun, ...] = ()
    timed_on: Environment | None = None
