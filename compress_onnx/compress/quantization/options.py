"""What quantization is asked for, with every ``auto`` resolved, and the integers of the target CPU."""

from __future__ import annotations

import dataclasses

from onnxruntime.quantization import QuantType

from compress_onnx.errors import OptionError
from compress_onnx.options import CPU, METHOD, ROUNDING, SCALES, WEIGHTS
from compress_onnx.records import OptionValue


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class IntegerTypes:
    """Integers of a target: the activations' type, whether their zero point is 0, whether 8-bit weights use 7."""

    activation: QuantType
    symmetric: bool
    reduce_range: bool

    @property
    def largest_weight(self) -> int:
        """Integer that ONNX Runtime gives a channel's largest magnitude at 8 bits."""
        return 64 if self.reduce_range else 127


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeOptions:
    """Resolved options of ``quantize``.

    ``cpu`` is a target, never ``auto``; ``calibration`` is the hash of the manifest that names the
    calibration images, kept in the model's recipe. ``keep_int8`` names weights that stay at 8 bits
    where the others have 4, by their names before or after folding. ``cache_key`` says which images calibrate, in which form: ranges are then
    kept in the user's cache; without it they are not.
    """

    cpu: str
    weights: str = WEIGHTS.default
    method: str = METHOD.default
    scales: str = SCALES.default
    rounding: str = ROUNDING.default
    keep_int8: tuple[str, ...] = ()
    calibration: str | None = None
    cache_key: str | None = None

    def __post_init__(self) -> None:
        WEIGHTS.check(self.weights)
        METHOD.check(self.method)
        SCALES.check(self.scales)
        ROUNDING.check(self.rounding)
        CPU.check(self.cpu)
        if self.cpu == "auto":
            raise OptionError(
                "a CPU to quantize for", "auto", remedy="Name one, or let the command line ask the probe."
            )

    @property
    def activation_type(self) -> QuantType:
        """U8 on x86-64, whose integer kernels want it; S8 on ARM, which prefers symmetric types."""
        return QuantType.QInt8 if self.cpu == "aarch64" else QuantType.QUInt8

    @property
    def integer_types(self) -> IntegerTypes:
        """What the quantizer is told of the target."""
        return IntegerTypes(
            activation=self.activation_type, symmetric=self.cpu == "aarch64", reduce_range=self.reduce_range
        )

    @property
    def reduce_range(self) -> bool:
        """Seven-bit weights where U8S8 products saturate int16: x86-64 without VNNI."""
        return self.cpu == "x86-64-avx2"

    @property
    def chosen_scales(self) -> str:
        """What the scales minimize, never ``auto``."""
        return self.scales if self.scales != "auto" else "max" if self.weights == "int8" else "mse"

    @property
    def chosen_rounding(self) -> str:
        """How weights are rounded, never ``auto``."""
        return self.rounding if self.rounding != "auto" else "nearest" if self.weights == "int8" else "gptq"

    @property
    def needs_moments(self) -> bool:
        """Tell whether the layers' inputs choose scales or integers."""
        return self.chosen_scales == "output" or self.chosen_rounding == "gptq"

    @property
    def wide_bits(self) -> int:
        """Bits of the weights that are stored in eight."""
        return 7 if self.reduce_range else 8

    @property
    def recorded(self) -> dict[str, OptionValue]:
        """The options as a recipe step keeps them: what was chosen, never ``auto``."""
        return {
            "weights": self.weights,
            "activations": "int8" if self.activation_type == QuantType.QInt8 else "uint8",
            "method": self.method,
            "scales": self.chosen_scales,
            "rounding": self.chosen_rounding,
            "keep_int8": list(self.keep_int8),
            "cpu": self.cpu,
            "reduce_range": self.reduce_range,
            "per_channel": True,
            "calibration": self.calibration,
        }
