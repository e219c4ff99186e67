"""What the same file answers on another CPU."""

from __future__ import annotations

from compress_onnx.records.artifacts import Environment
from compress_onnx.records.base import Measure, record
from compress_onnx.records.latency import LatencyComparison
from compress_onnx.records.outputs import FlipSummary


@record
class CrossAnswers:
    """One file's answers on another CPU against its answers here, on the same images.

    A negative flip was right here and is wrong there. ``accuracy`` is that on the other CPU,
    ``accuracy_change`` there minus here, ``max_logit_difference`` the largest absolute one.
    """

    flips: FlipSummary
    accuracy: Measure
    accuracy_change: Measure
    max_logit_difference: Measure


@record
class CrossCpu:
    """A candidate on another CPU: ``target`` as the user named it, ``environment`` what it is.

    The fields of :class:`CrossAnswers` are the candidate's; ``baseline`` holds the baseline
    file's. ``latency`` was measured there; ``None`` with ``latency_reason`` on emulated CPUs,
    whose times say nothing, and where nothing was to be timed. ``simulated`` tells that no such CPU
    was asked: its answers were computed by the arithmetic of its kernels.
    """

    target: str
    environment: Environment
    flips: FlipSummary
    accuracy: Measure
    accuracy_change: Measure
    max_logit_difference: Measure
    baseline: CrossAnswers
    latency: LatencyComparison | None = None
    latency_reason: str | None = None
    simulated: bool = False
