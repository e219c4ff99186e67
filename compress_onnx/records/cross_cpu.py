"""What another CPU makes of the same file: its predictions, and where int16 sums of 8-bit products overflow there."""

from __future__ import annotations

from enum import StrEnum

from compress_onnx.records.artifacts import Environment
from compress_onnx.records.base import Measure, record
from compress_onnx.records.latency import LatencyComparison
from compress_onnx.records.outputs import FlipSummary


@record
class CrossCpuPredictions:
    """One file's predictions on another CPU against its predictions here, on the same images.

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

    The fields of :class:`CrossCpuPredictions` are the candidate's; ``baseline`` holds the baseline
    file's. ``latency`` was measured there; ``None`` with ``latency_reason`` on emulated CPUs,
    whose times say nothing, and where nothing was to be timed. ``simulated`` tells that no such CPU
    ran: its predictions were computed by the arithmetic of its kernels.
    """

    target: str
    environment: Environment
    flips: FlipSummary
    accuracy: Measure
    accuracy_change: Measure
    max_logit_difference: Measure
    baseline: CrossCpuPredictions
    latency: LatencyComparison | None = None
    latency_reason: str | None = None
    simulated: bool = False


class Need(StrEnum):
    """Whether weights of reduced range (7 bits) are needed on a CPU without VNNI."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"


@record
class NodeSaturation:
    """One integer kernel: how many output channels can overflow, and how many did on images.

    ``types`` are those of activations and weights, as U8S8. ``adds_pairs`` tells whether the kernel
    adds pairs of products in int16 on an x86-64 CPU without VNNI: depthwise convolutions and types
    other than U8S8 do not. The last three are ``None`` without images: channels that overflowed,
    and the fractions of output values and of images with an overflow.
    """

    name: str
    op: str
    types: str
    adds_pairs: bool
    channels: int
    channels_at_risk: int
    pairs_at_risk: int
    channels_overflowing: int | None = None
    outputs_overflowing: Measure | None = None
    images_overflowing: Measure | None = None


@record
class SaturationAudit:
    """All integer kernels of a file, and whether reduced range is needed, with the reason in words.

    ``flips`` is the fraction of the images whose predicted class differs between a CPU that
    saturates and one that does not, ``None`` without images. ``unmeasured`` names nodes whose
    kernels may saturate for all that is known.
    """

    nodes: tuple[NodeSaturation, ...]
    images: int | None
    reduced_range: Need
    reason: str
    flips: Measure | None = None
    unmeasured: tuple[str, ...] = ()
