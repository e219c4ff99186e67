"""``compress-onnx quantize``: static post-training quantization."""

from __future__ import annotations

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
    from compress_onnx.api import quantize
    from compress_onnx.compare import manifests_of

    if not data:
        raise OptionError("calibration images", "none", where="quantize", remedy="Name some with --data.")
    form = calibration.preprocessing.of(model)
    with progress_bars() as stages:
        quantized = quantize(
            model,
            data,
            weights=weights,
            calibration_size=calibration.calibration_size,
            method=calibration.method,
            scales=scales,
            rounding=rounding,
            repair=repair,
            max_drop=max_drop,
            cpu=calibration.cpu,
            exclude=calibration.exclude or None,
            seed=calibration.seed,
            preprocessing=form,
            progress=stages("quantize"),
        )
    path = output or model.with_name(f"{model.stem}-{SUFFIXES[weights]}.onnx")
    quantized.save(path)
    made(quantized, path, as_json=as_json)
    (manifest,) = manifests_of([quantized])
    say(f"Calibrated on {manifest.name}.")


def _widen(source: Path, target: Path, *, as_json: bool) -> None:
    from compress_onnx.compress import widened
    from compress_onnx.model import Model, descended, made_from, made_model

    read = Model.of(source)
    model = read.proto
    if not any(weight.bits == 4 and "MatMulNBits" not in weight.ops for weight in read.weights):
        raise ModelError("4-bit weights to widen", "none", where=source, remedy="Quantize with --weights int4 instead.")
    wide = widened(model, where=source)
    result = made_model(made_from(descended(wide, model, "widen", {}), read.sha256), name=target.stem)
    result.save(target)
    made(result, target, as_json=as_json)
