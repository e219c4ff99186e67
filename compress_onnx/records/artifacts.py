"""Model files, data sets and the environment: what was judged, on what, where."""

from __future__ import annotations

import dataclasses
import re
from enum import StrEnum
from typing import TYPE_CHECKING

from compress_onnx.records.base import Measure, OptionValue, record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


# W8A16, W4 (weight only), W8A8 dynamic, fp16; several of them with their shares, as W8A8 in 14 of 20. F8: 8-bit floats.
_WIDTH = r"(?:WF?\d+(?:AF?\d+(?: dynamic)?| \(weight only\))|fp16|fp32|fp64|bf16)"
_NAMED = re.compile(rf"{_WIDTH}|{_WIDTH} in \d+ of \d+(?:, {_WIDTH} in \d+ of \d+)*")


class Precision(StrEnum):
    """Weight and activation bits of an artifact.

    Members are the common ones, where all operators are alike. Others are values all the same, as
    ``Precision("W8A16")``, ``Precision("W4 (weight only)")`` or ``Precision("W8A8 in 14 of 20")``; ``mixed``
    stands in records of older versions only.

    >>> Precision("W8A16"), Precision("W8A8 in 14 of 20") == "W8A8 in 14 of 20"
    (<Precision.W8A16: 'W8A16'>, True)
    """

    FP32 = "fp32"
    W8A8 = "w8a8"
    W4A8 = "w4a8"
    MIXED = "mixed"

    @classmethod
    def _missing_(cls, value: object) -> Precision | None:
        if not isinstance(value, str) or not _NAMED.fullmatch(value):
            return None
        made = str.__new__(cls, value)
        made._name_ = made._value_ = value
        return made

    @property
    def is_float(self) -> bool:
        """Tell whether all operators multiply plain floats."""
        return self.startswith(("fp", "bf"))

    @property
    def has_4_bits(self) -> bool:
        """Tell whether some weights have 4 bits; ``mixed`` of older versions had."""
        return self in {Precision.W4A8, Precision.MIXED} or "W4" in self


@record
class Preprocessing:
    """How a picture becomes the model's input: resize, divide by 255, subtract mean, divide by std.

    ``mean`` and ``std`` have one entry per channel (3 for RGB, 1 for gray); ``layout`` is
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
    """Bytes of an artifact on disk, zipped (deflate, level 6) and by zstd (level 3), and its weights.

    ``weights`` counts the values of all weights, wherever they lie, ``nonzero_weights`` those that
    are not zero after dequantization. ``initializer_bytes`` holds the stored bytes by ONNX type;
    ``entropy_bytes`` is what a perfect coder that knows each weight tensor's own histogram, and
    nothing of order, would need for the weights. ``resident`` is what loading the file adds to the
    resident memory of a fresh process, ``None`` where that was not asked for.
    """

    file_bytes: int
    zip_bytes: int
    weights: int
    nonzero_weights: int
    zstd_bytes: int | None = None
    initializer_bytes: dict[str, int] = dataclasses.field(default_factory=dict)
    entropy_bytes: int | None = None
    resident: Measure | None = None


@record
class LayerWeights:
    """One weight tensor of a model file: its name, the operators that use it, its shape and stored bits.

    ``nonzero`` of its ``elements`` are not zero, where a quantized value equal to its zero point is zero.
    """

    name: str
    ops: tuple[str, ...]
    shape: tuple[int, ...]
    bits: int
    elements: int
    nonzero: int


@record
class Artifact:
    """One model with hash and recipe. ``path`` is relative to the run's folder when inside it.

    ``sha256`` is the plain hash of a file that is all there is, and of one with data files the hash of all that is
    loaded; bytes are those of all its ``files``, counted since data files are. ``parent_sha256`` is that of the file it was made from.

    ``layers`` holds its weight tensors in graph order, empty where they were not recorded.
    """

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
    layers: tuple[LayerWeights, ...] = ()
    parent_sha256: str | None
    recipe: tuple[RecipeStep, ...]
    warnings: tuple[str, ...] = ()
    zstd_bytes: int | None = None
    initializer_bytes: dict[str, int] = dataclasses.field(default_factory=dict)
    entropy_bytes: int | None = None
    files: int | None = None


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
    """What one artifact predicted on one data set.

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
class CalibrationInfo:
    """Which training images chose the quantization ranges: manifest name, size, seed and hash."""

    manifest: str
    n: int
    seed: int
    sha256: str


@record
class FloatNode:
    """A node that the runtime computes in floating point, and why."""

    op: str
    name: str
    reason: str


@record
class FusionReceipt:
    """What the runtime made of a file: integer kernels, float nodes, Q/DQ pairs left over."""

    quantized_nodes: int
    float_nodes: tuple[FloatNode, ...]
    stray_qdq: int
    int8_fraction: float


@record
class Environment:
    """Where the numbers were measured: versions of the packages, and the CPU's passport.

    ``cores`` are those the process may use; ``cpu_quota`` is the share of them its control group
    grants, in cores, ``None`` without a limit; ``cpu_governor`` is how their clock is chosen;
    ``cpu_temperature_c`` was read at the start. ``emulator`` names the program that played the CPU,
    ``None`` on a real one. ``unknown`` says why a field is empty, by its name.
    """

    python: str
    system: str
    packages: dict[str, str]
    cpu_model: str
    cpu_features: tuple[str, ...]
    cpu_saturates: bool
    cpu_target: str
    cores: int
    cpu_quota: float | None = None
    cpu_governor: str | None = None
    cpu_temperature_c: float | None = None
    emulator: str | None = None
    unknown: dict[str, str] = dataclasses.field(default_factory=dict)
