"""The records every stage hands to the next: frozen, documented, and written to disk as JSON.

Fractions are 0 to 1; units stand in the names; a number that cannot be given is ``None`` with a
reason beside it, never NaN. Arrays are documented with shape and dtype. What is read back from
disk is validated by :mod:`compress_onnx.store`.
"""

from compress_onnx.records.artifacts import (
    Artifact,
    CalibrationInfo,
    DatasetInfo,
    Environment,
    FloatNode,
    Footprint,
    FusionReceipt,
    LayerWeights,
    Precision,
    Predictions,
    Preprocessing,
    RecipeStep,
)
from compress_onnx.records.base import SCHEMA_VERSION, Better, Interval, Measure, OptionValue, record, undefined
from compress_onnx.records.latency import LatencyComparison, LatencyRun
from compress_onnx.records.outputs import (
    AccuracyChange,
    ClassResult,
    ConfidenceShift,
    ConfusionChange,
    FlipKind,
    FlipSummary,
    Histogram,
    ReliabilityBin,
)
from compress_onnx.records.run import Comparison, RunRecord
from compress_onnx.records.saliency import SaliencyGroup, SaliencyShift, TwinFidelity
from compress_onnx.records.verdict import GateCheck, Outcome, Verdict

__all__ = [
    "SCHEMA_VERSION",
    "AccuracyChange",
    "Artifact",
    "Better",
    "CalibrationInfo",
    "ClassResult",
    "Comparison",
    "ConfidenceShift",
    "ConfusionChange",
    "DatasetInfo",
    "Environment",
    "FlipKind",
    "FlipSummary",
    "FloatNode",
    "Footprint",
    "FusionReceipt",
    "GateCheck",
    "Histogram",
    "Interval",
    "LatencyComparison",
    "LatencyRun",
    "LayerWeights",
    "Measure",
    "OptionValue",
    "Outcome",
    "Precision",
    "Predictions",
    "Preprocessing",
    "RecipeStep",
    "ReliabilityBin",
    "RunRecord",
    "SaliencyGroup",
    "SaliencyShift",
    "TwinFidelity",
    "Verdict",
    "record",
    "undefined",
]
