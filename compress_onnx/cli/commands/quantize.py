"""``compress-onnx quantize``: static post-training quantization."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_onnx.cli.arguments import (
    CalibrationSize,
    Cpu,
    Json,
    Layout,
    Mean,
    Method,
    Output,
    Seed,
    Size,
    Std,
    calibration_data,
)
from compress_onnx.cli.output import made, progress_bars, say
from compress_onnx.errors import ModelError, OptionError
from compress_onnx.options import CALIBRATION_SIZE, CPU, MAX_DROP, METHOD, REPAIR, ROUNDING, SCALES, SEED, WEIGHTS

if TYPE_CHECKING:
    from compress_onnx.compress import QuantizeOptions

SUFFIXES = {"int8": "w8a8", "int4": "w4a8", "mixed": "mixed"}


def quantize(
    model: Annotated[Path, typer.Argument(help="ONNX file, FP32 (pruned or not); with --widen any int4 file.")],
    *,
    data: Annotated[str, typer.Option("--data", help="Training images that calibrate, such as gtsrb:train.")] = "",
    weights: Annotated[str, typer.Option(help=WEIGHTS.help)] = WEIGHTS.default,
    max_drop: Annotated[float, typer.Option(help=MAX_DROP.help)] = MAX_DROP.default,
    scales: Annotated[str, typer.Option(help=SCALES.help)] = SCALES.default,
    rounding: Annotated[str, typer.Option(help=ROUNDING.help)] = ROUNDING.default,
    repair: Annotated[str, typer.Option(help=f"{REPAIR.help} For int4.")] = REPAIR.default,
    widen: Annotated[
        bool, typer.Option("--widen", help="Only make a file's 4-bit weights run as fast as 8-bit ones.")
    ] = False,
    calibration_size: CalibrationSize = CALIBRATION_SIZE.default,
    method: Method = METHOD.default,
    cpu: Cpu = CPU.default,
    exclude: Annotated[
        str, typer.Option(help="Images that must not calibrate; the test split of named data by default.")
    ] = "",
    seed: Seed = SEED.default,
    mean: Mean = "",
    std: Std = "",
    size: Size = "",
    layout: Layout = "NCHW",
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
    from compress_onnx.model import Model
    from compress_onnx.steps import quantized

    options = _options(weights=weights, scales=scales, rounding=rounding, method=method, cpu=cpu)
    MAX_DROP.check(max_drop)
    REPAIR.check(repair)
    if not data:
        raise OptionError("calibration images", "none", where="quantize", remedy="Name some with --data.")
    normalization = {"mean": mean, "std": std, "size": size, "layout": layout}
    chosen = calibration_data(
        model, data, exclude=exclude, size=calibration_size, seed=seed, normalization=normalization
    )
    path = output or model.with_name(f"{model.stem}-{SUFFIXES[weights]}.onnx")
    images = dataclasses.replace(chosen, max_drop=max_drop, repairs=repair == "auto")
    with progress_bars() as stages:
        result = quantized(Model.of(model), options, data=images, progress=stages("quantize"))
    result.model.save(path)
    made(path, as_json=as_json)
    say(f"Calibrated on {result.manifest.name}.")


def _options(*, cpu: str, weights: str, scales: str, rounding: str, method: str) -> QuantizeOptions:
    from compress_onnx.compress import QuantizeOptions
    from compress_onnx.runtime import cpu_target

    CPU.check(cpu)
    return QuantizeOptions(
        cpu=cpu_target() if cpu == "auto" else cpu, weights=weights, scales=scales, rounding=rounding, method=method
    )


def _widen(source: Path, target: Path, *, as_json: bool) -> None:
    from compress_onnx.compress import widened
    from compress_onnx.model import descended, made_from, read_model, save_model, weights

    read = read_model(source)
    model = read.proto
    if not any(weight.bits == 4 and "MatMulNBits" not in weight.ops for weight in weights(model)):
        raise ModelError("4-bit weights to widen", "none", where=source, remedy="Quantize with --weights int4 instead.")
    wide = widened(model, where=source)
    save_model(made_from(descended(wide, model, "widen", {}), read.sha256), target)
    made(target, as_json=as_json)
