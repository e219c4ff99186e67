"""The records every stage hands to the next: frozen, documented, and written to disk as JSON.

Fractions are 0 to 1; units stand in the names; a number that cannot be given is ``None`` with a
reason beside it, never NaN. Arrays are documented with shape and dtype. What is read back from
disk is validated by :mod:`compress_onnx.store`.
"""

from compress_onnx.records.artifacts import Artifact, CalibrationInfo, DatasetInfo, Environment, FloatNode, Footprint, FusionReceipt, LayerWeights, Precision, Predictions, Preprocessing, RecipeStep
from compress_onnx.records.base import SCHEMA_VERSION, Better, Interval, Measure, OptionValue, record, undefined
from compress_onnx.records.cross_cpu import CrossAnswers, CrossCpu
from compress_onnx.records.latency import BenchRecord, ExecutionProfile, LatencyComparison, LatencyRun, OperatorTime
from compress_onnx.records.outputs import AccuracyChange, ChangedConfusion, ClassPattern, ClassResult, ConfidenceShift, ConformalSets, ConfusionChange, FlipKind, FlipSummary, Histogram, OutputDivergence, ReliabilityBin, TemperatureRepair, UncertaintyShift
from compress_onnx.records.run import BatchIndependence, Comparison, PredictionRun, RunRecord
from compress_onnx.records.saliency import AttentionMaps, ClassAttention, SaliencyGroup, SaliencyScale, SaliencyShift, ShiftVerdict, SystematicShift, TwinFidelity
from compress_onnx.records.saturation import Need, NodeSaturation, SaturationAudit
from compress_onnx.records.study import CandidateSummary, CellFailure, CellSummary, LatencySummary, StudyRecord
from compress_onnx.records.verdict import CheckKind, GateCheck, Outcome, Verdict

__all__ = [
    "SCHEMA_VERSION",
    "AccuracyChange",
    "Artifact",
    "AttentionMaps",
    "BatchIndependence",
    "BenchRecord",
    "Better",
    "CalibrationInfo",
    "CandidateSummary",
    "CellFailure",
    "CellSummary",
    "ChangedConfusion",
    "CheckKind",
    "ClassAttention",
    "ClassPattern",
    "ClassResult",
    "Comparison",
    "ConfidenceShift",
    "ConformalSets",
    "ConfusionChange",
    "CrossAnswers",
    "CrossCpu",
    "DatasetInfo",
    "Environment",
    "ExecutionProfile",
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
    "LatencySummary",
    "LayerWeights",
    "Measure",
    "Need",
    "NodeSaturation",
    "OperatorTime",
    "OptionValue",
    "Outcome",
    "OutputDivergence",
    "Precision",
    "PredictionRun",
    "Predictions",
    "Preprocessing",
    "RecipeStep",
    "ReliabilityBin",
    "RunRecord",
    "SaliencyGroup",
    "SaliencyScale",
    "SaliencyShift",
    "SaturationAudit",
    "ShiftVerdict",
    "StudyRecord",
    "SystematicShift",
    "TemperatureRepair",
    "TwinFidelity",
    "UncertaintyShift",
    "Verdict",
    "record",
    "undefined",
]
