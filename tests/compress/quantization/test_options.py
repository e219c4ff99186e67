"""Options resolve what is left to the tool, by the target CPU and the width of the weights."""

from __future__ import annotations

import json

import pytest
from onnxruntime.quantization import QuantType

from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.errors import OptionError
from compress_onnx.options.declared import CPU

CPUS = [name for name in CPU.choices if name != "auto"]


@pytest.mark.parametrize("cpu", CPUS)
def test_integers_follow_the_cpu(cpu: str) -> None:
    types = QuantizeOptions(cpu=cpu).integer_types
    assert types.activation == (QuantType.QInt8 if cpu == "aarch64" else QuantType.QUInt8)
    assert types.symmetric is (cpu == "aarch64")
    assert types.reduce_range is (cpu == "x86-64-avx2")
    # ONNX Runtime's seven bits reach from -64 to 64.
    assert types.largest_weight == (64 if cpu == "x86-64-avx2" else 127)


@pytest.mark.parametrize(("weights", "scales", "rounding"), [("int8", "max", "nearest"), ("int4", "mse", "gptq")])
def test_auto_follows_the_width_and_a_choice_stays(weights: str, scales: str, rounding: str) -> None:
    options = QuantizeOptions(cpu="x86-64-vnni", weights=weights)
    assert (options.chosen_scales, options.chosen_rounding) == (scales, rounding)
    assert options.needs_moments is (weights == "int4")
    chosen = QuantizeOptions(cpu="x86-64-vnni", weights=weights, scales="output", rounding="nearest")
    assert (chosen.chosen_scales, chosen.chosen_rounding, chosen.needs_moments) == ("output", "nearest", True)


def test_the_record_is_json_without_auto_and_without_the_caches_key() -> None:
    recorded = QuantizeOptions(cpu="aarch64", weights="mixed", keep_int8=("fc",), cache_key="secret").recorded
    text = json.dumps(recorded)
    assert "auto" not in text
    assert "secret" not in text
    assert (recorded["activations"], recorded["keep_int8"]) == ("int8", ["fc"])


def test_a_guess_is_no_target() -> None:
    with pytest.raises(OptionError, match="a CPU to quantize for, got auto"):
        QuantizeOptions(cpu="auto")
