"""``compress-onnx quantize``: static post-training quantisation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_onnx import config
from compress_onnx.cli.artifacts import made
from compress_onnx.cli.options import (
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
    preprocessing_of,
)
from compress_onnx.cli.terminal import progress_bars, say

if TYPE_CHECKING:
    from compress_onnx.data.images import ImageSet
    from compress_onnx.records import Preprocessing


def quantize(
    model: Annotated[Path, typer.Argument(help="ONNX file, FP32 (pruned or not).")],
    *,
    data: Annotated[str, typer.Option("--data", help="Training images that calibrate, such as gtsrb:train.")],
    weights: Annotated[str, typer.Option(help=config.WEIGHTS.help)] = config.WEIGHTS.default,
    calibration_size: CalibrationSize = config.CALIBRATION_SIZE.default,
    method: Method = config.METHOD.default,
    cpu: Cpu = config.CPU.default,
    exclude: Annotated[
        str, typer.Option(help="Images that must not calibrate; the test split of named data by default.")
    ] = "",
    seed: Seed = config.SEED.default,
    mean: Mean = "",
    std: Std = "",
    size: Size = "",
    layout: Layout = "NCHW",
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Quantise an ONNX model to 8-bit weights and activations (QDQ, per channel).

    The calibration images are chosen class-balanced and seeded, and none of them may be evaluated.
    A manifest that names them is written beside the file unless calibration/ already holds one.

    Example: compress-onnx quantize lenet5.onnx --data gtsrb:train -o lenet5-w8a8.onnx
    """
    from compress_onnx.compress.quantize import QuantizeOptions
    from compress_onnx.runtime.cpu import cpu_target
    from compress_onnx.study.quantise import CalibrationData, quantise_file

    config.CALIBRATION_SIZE.check(calibration_size)
    config.CPU.check(cpu)
    config.SEED.check(seed)
    options = QuantizeOptions(cpu=cpu_target() if cpu == "auto" else cpu, weights=weights, method=method)
    foreign: Preprocessing | None = preprocessing_of(model, mean=mean, std=std, size=size, layout=layout)
    path = output or model.with_name(f"{model.stem}-w8a8.onnx")
    training, evaluation = _images(data, exclude)
    chosen = CalibrationData(
        training=training, evaluation=evaluation, size=calibration_size, seed=seed, preprocessing=foreign
    )
    with progress_bars() as stages:
        manifest = quantise_file(model, path, options, data=chosen, progress=stages("quantise"))
    made(path, as_json=as_json)
    say(f"Calibrated on {manifest}.")


def _images(data: str, exclude: str) -> tuple[ImageSet, ImageSet | None]:
    from compress_onnx.data.sources import load_data
    from compress_onnx.extension_points import datasets

    name, _, split = data.partition(":")
    if not exclude and split == "train" and name in datasets():
        exclude = f"{name}:test"
    return load_data(data), load_data(exclude) if exclude else None
