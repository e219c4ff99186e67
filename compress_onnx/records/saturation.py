"""Where int16 sums of 8-bit products can overflow on a CPU without VNNI."""

from __future__ import annotations

from enum import StrEnum

from compress_onnx.records.base import Measure, record


class Need(StrEnum):
    """Whether weights of reduced range (7 bits) are needed on a CPU without VNNI."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"


@record
class NodeSaturation:
    """One U8S8 node: how many output channels can overflow, and how many did on images.

    ``pairs_known`` tells whether the runtime's pairing of products is known for this node; else
    any two weights of a channel are assumed to meet, and ``pairs_at_risk`` is ``None``. The last
    three are ``None`` without images, or where the pairing is not known: channels that overflowed,
    and the fractions of output values and of images with an overflow.
    """

    name: str
    op: str
    channels: int
    channels_at_risk: int
    pairs_known: bool
    pairs_at_risk: int | None
    channels_overflowing: int | None = None
    outputs_overflowing: Measure | None = None
    images_overflowing: Measure | None = None


@record
class SaturationAudit:
    """All U8S8 nodes of a file, and whether reduced range is needed, with the reason in words."""

    nodes: tuple[NodeSaturation, ...]
    images: int | None
    reduced_range: Need
    reason: str
