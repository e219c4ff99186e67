"""The files that are timed: three networks with random weights, ours and ONNX Runtime's own quantizations."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import onnx
import torch
from bench_feed import Reader, quiet, random_images
from onnxruntime.quantization import QuantType, quantize_static

from compress_onnx import options
from compress_onnx.compress.float_form.fold import folded
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.quantize import quantize_model
from compress_onnx.model.files import save_model
from compress_onnx.model.metadata import read_embedded
from compress_onnx.records.artifacts import Preprocessing
from compress_onnx.runtime.cpu.machine import cpu_target
from compress_onnx.torch_export.exporter import export_module
from compress_onnx.zoo.networks import build

NETWORKS = ("resnet18", "squeezenet", "lenet5")
CALIBRATION = 64
NO_INT4 = "no 4-bit weights in this version"
_FORM = Preprocessing(height=32, width=32, mean=(0.5,) * 3, std=(0.25,) * 3)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """A network's files; ``w4a8`` is ``None`` where this version has no 4-bit weights."""

    fp32: Path
    folded: Path
    w8a8: Path
    w4a8: Path | None
    ort_s8s8: Path
    ort_int4: Path


def network(name: str) -> onnx.ModelProto:
    """Return a network with random weights and 10 classes, exported unfolded."""
    torch.manual_seed(0)
    return export_module(build(name, 10).eval(), _FORM, tuple("0123456789"))


def form_of(model: onnx.ModelProto) -> Preprocessing:
    """Return the preprocessing that an exported model carries."""
    form = read_embedded(model).preprocessing
    assert form is not None
    return form


def made(name: str, folder: Path) -> Files:
    """Write all files of a network; ONNX Runtime's tools get the folded model, as their manual advises."""
    model = network(name)
    files = Files(
        fp32=folder / f"{name}.onnx",
        folded=folder / f"{name}-folded.onnx",
        w8a8=folder / f"{name}-w8a8.onnx",
        w4a8=folder / f"{name}-w4a8.onnx" if "int4" in options.WEIGHTS.choices else None,
        ort_s8s8=folder / f"{name}-ort-s8s8.onnx",
        ort_int4=folder / f"{name}-ort-int4.onnx",
    )
    save_model(model, files.fp32)
    save_model(folded(model), files.folded)
    _quantize(model, "int8", files.w8a8)
    if files.w4a8 is not None:
        _quantize(model, "int4", files.w4a8)
    _ort(files.folded, files.ort_s8s8)
    int4 = {"weight_type": QuantType.QInt4, "activation_type": QuantType.QUInt8, "per_channel": True}
    _ort(files.folded, files.ort_int4, **int4)
    return files


def _quantize(model: onnx.ModelProto, weights: str, target: Path) -> None:
    options = QuantizeOptions(cpu=cpu_target(), weights=weights)
    save_model(quantize_model(model, random_images(CALIBRATION, batch=16), options), target)


def _ort(source: Path, target: Path, **arguments: Any) -> None:
    """Quantize with ``quantize_static``, its defaults but for the arguments."""
    with quiet():
        quantize_static(source, target, Reader(random_images(CALIBRATION, batch=16)), **arguments)
