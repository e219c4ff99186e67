"""``compress-onnx quantize``: static post-training quantization."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from compress_onnx.cli.arguments import CalibrationFlags, Json, Output, flag, option_groups
from compress_onnx.cli.output import made, progress_bars, say
from compress_onnx.errors import ModelError, OptionError
from compress_onnx.options import MAX_DROP, REPAIR, ROUNDING, SCALES, WEIGHTS

SUFFIXES = {"int8": "w8a8", "int4": "w4a8", "mixed": "mixed"}


@option_groups()
def quantize_command(
    model: Annotated[Path, typer.Argument(help="ONNX file, FP32 (pruned or not); with --widen any int4 file.")],
    *,
    data: Annotated[str, typer.Option("--data", help="Training images that calibrate, such as gtsrb:train.")] = "",
    weights: Annotated[str, flag(WEIGHTS)] = WEIGHTS.default,
    max_drop: Annotated[float, flag(MAX_DROP)] = MAX_DROP.default,
    scales: Annotated[str, flag(SCALES)] = SCALES.default,
    rounding: Annotated[str, flag(ROUNDING)] = ROUNDING.default,
    repair: Annotated[str, flag(REPAIR, more="For int4.")] = REPAIR.default,
    widen: Annotated[
        bool, typer.Option("--widen", help="Only make a file's 4-bit weights run as fast as 8-bit ones.")
    ] = False,
    calibration: CalibrationFlags,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Quantize an ONNX model to 8-bit activations and 8-bit, 4-bit or mixed weights (QDQ, per channel).

    4-bit weights are stored in 4 bits and run as 8-bit ones. The calibration images are chosen
    class-balanced and seeded, and none of them may be evaluated. A manifest that names them is
    written beside the file unless calibration/ already holds one.

    Example: compress-onnx quantize lenet5.onnx --data gtsrb:train --weights int4 -o lenet5-w4a8.onnx
    """
    if widen:
        _widen(model, output or model.with_name(f"{model.stem}-wide.onnx"), as_json=as_json)
        return
    from compress_onnx.compress import QuantizeOptions
    from compress_onnx.steps import quantize_file

    options = QuantizeOptions(
        cpu=calibration.target(), weights=weights, scales=scales, rounding=rounding, method=calibration.method
    )
    if not data:
        raise OptionError("calibration images", "none", where="quantize", remedy="Name some with --data.")
    path = output or model.with_name(f"{model.stem}-{SUFFIXES[weights]}.onnx")
    images = dataclasses.replace(calibration.data(model, data), max_drop=max_drop, repairs=repair == "auto")
    with progress_bars() as stages:
        manifest = quantize_file(model, path, options, data=images, progress=stages("quantize"))
    made(path, as_json=as_json)
    say(f"Calibrated on {manifest}.")


def _widen(source: Path, target: Path, *, as_json: bool) -> None:
    from compress_onnx.compress import widened
    from compress_onnx.model import descended, made_from, read_model, save_model, weights

    read = read_model(source)
    model = read.model
    if not any(weight.bits == 4 and "MatMulNBits" not in weight.ops for weight in weights(model)):
        raise ModelError("4-bit weights to widen", "none", where=source, remedy="Quantize with --weights int4 instead.")
    wide = widened(model, where=source)
    save_model(made_from(descended(wide, model, "widen", {}), read.sha256), target)
    made(target, as_json=as_json)
