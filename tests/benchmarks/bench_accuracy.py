"""What pruning with repair and 4-bit weights keep on real data, found under $COMPRESS_ONNX_DATA."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
from bench_models import form_of
from bench_table import Row
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from compress_onnx.comparison.calibration import calibration_for
from compress_onnx.compress.float_form.fold import folded
from compress_onnx.compress.pruning.prune import PruneOptions, prune_model
from compress_onnx.compress.quantization.int4_repair import repaired_int4
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.repair.reference import referenced
from compress_onnx.compress.repair.repair import repaired_towards
from compress_onnx.data.images import ImageSet
from compress_onnx.data.sources import load_data
from compress_onnx.model.files import load_model, model_bytes, save_model
from compress_onnx.options.folders import data_root
from compress_onnx.ort.session import open_session
from compress_onnx.records.artifacts import Preprocessing
from compress_onnx.runtime.cpu.machine import cpu_target
from compress_onnx.runtime.predict import logits_of
from compress_onnx.runtime.workers.passport import usable_cores
from compress_onnx.steps.export import exported
from compress_onnx.steps.quantization import calibration_batches
from compress_onnx.torch_export.exporter import export_module
from compress_onnx.zoo.checkpoints import load_checkpoint
from compress_onnx.zoo.networks import build
from compress_onnx.zoo.recipe import recipe_for

Batches = Callable[[], Iterable[NDArray[np.float32]]]
_NO_DATA = "no data under $COMPRESS_ONNX_DATA"


def repair_rows() -> Iterator[Row]:
    """Yield seconds and accuracy loss of ResNet-18 at 70 % sparsity, repaired on 2,048 images."""
    seconds = "pruning ResNet-18 by 70 % with repair on 2,048 images, seconds"
    loss = "ResNet-18 on CIFAR-10 at 70 % sparsity, 10,000 test images: accuracy loss"
    weights = data_root().parent / "checkpoints" / "resnet18-cifar10.safetensors"
    if not weights.exists() or not _has("cifar10"):
        for figure, bar in ((seconds, 90.0), (loss, 0.01)):
            yield Row(figure=figure, bar=bar, reach="at most", skipped=_NO_DATA)
        return
    model, feed, test = _resnet18(weights)
    begin = time.perf_counter()
    pruned = prune_model(model, PruneOptions(sparsity=0.7))
    with referenced(model, feed) as reference:
        mended = repaired_towards(reference, pruned).model
    spent = time.perf_counter() - begin
    yield Row(figure=seconds, bar=90.0, reach="at most", ours=f"{spent:.0f} s", value=spent)
    base, plain, kept = (_accuracy(candidate, test) for candidate in (model, pruned, mended))
    shown = f"{kept:.4f} of {base:.4f}"
    yield Row(
        figure=loss, bar=0.01, reach="at most", ours=shown, reference=f"{plain:.4f} unrepaired", value=base - kept
    )


def flip_row() -> Row:
    """Return the flips of LeNet-5 on GTSRB at W4A8 over those of ONNX Runtime's own."""
    figure = "LeNet-5 on GTSRB, W4A8: flips against ONNX Runtime's per-channel W4A8"
    if not _has("gtsrb"):
        return Row(figure=figure, bar=0.6, reach="at most", skipped=_NO_DATA)
    test = load_data("gtsrb:test")
    model = exported("lenet5-gtsrb", images=test).model
    feed = _feed(model, "gtsrb", 512)
    ours = repaired_int4(model, feed, QuantizeOptions(cpu=cpu_target(), weights="int4"))
    base = _classes(model, test)
    flips, theirs = (float((_classes(other, test) != base).mean()) for other in (ours, _onnxruntime(model, feed)))
    shown = f"{flips:.2%}", f"{theirs:.2%}"
    return Row(figure=figure, bar=0.6, reach="at most", ours=shown[0], reference=shown[1], value=flips / theirs)


def _has(name: str) -> bool:
    return all((data_root() / name / f"{split}.parquet").exists() for split in ("train", "test"))


def _resnet18(weights: Path) -> tuple[onnx.ModelProto, Batches, ImageSet]:
    test = load_data("cifar10:test")
    recipe = recipe_for("resnet18", "cifar10")
    form = Preprocessing(height=32, width=32, mean=recipe.mean or (), std=recipe.std or ())
    module = load_checkpoint(weights, lambda: build("resnet18", 10))
    model = export_module(module, form, test.info.class_names)
    return model, _feed(model, "cifar10", 2048), test


def _feed(model: onnx.ModelProto, data: str, n: int) -> Batches:
    form = form_of(model)
    choice = calibration_for(load_data(f"{data}:train"), n, seed=0, evaluation=load_data(f"{data}:test"))
    return functools.partial(calibration_batches, choice, form)


def _classes(model: onnx.ModelProto, images: ImageSet, form: Preprocessing | None = None) -> NDArray[np.int64]:
    session = open_session(model_bytes(model), threads=usable_cores())
    return np.asarray(logits_of(session, images.batches(form or form_of(model))).argmax(axis=1))


def _accuracy(model: onnx.ModelProto, images: ImageSet) -> float:
    return float((_classes(model, images) == images.labels).mean())


def _onnxruntime(model: onnx.ModelProto, feed: Batches) -> onnx.ModelProto:
    """Return what quantize_static makes of the folded model with QInt4 weights, preprocessing kept for running it."""
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "folded.onnx", Path(name) / "int4.onnx"
        save_model(folded(model), source)
        quantize_static(
            source,
            target,
            _Reader(feed()),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt4,
        )
        found = load_model(target)
    found.metadata_props.extend(model.metadata_props)
    return found


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime ships no types
    def __init__(self, batches: Iterable[NDArray[np.float32]]) -> None:
        self._feeds = iter([{"input": batch} for batch in batches])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._feeds, None)
