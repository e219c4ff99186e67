"""What the same files answer on a CPU without VNNI, simulated and emulated: flips, agreement and time per image.

Alone: ``python tests/benchmarks/bench_targets.py``, about twenty minutes on a quiet machine.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bench_models import form_of
from bench_table import Reach, Row, table
from numpy.typing import NDArray

from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.data.sources import load_data
from compress_onnx.errors import CompressOnnxError
from compress_onnx.model.files import load_model, save_model
from compress_onnx.options.folders import data_root
from compress_onnx.ort.integer.emulation import EmulatedModel, fused
from compress_onnx.runtime.cpu.machine import cpu_label
from compress_onnx.runtime.targets.naming import connect, target_named
from compress_onnx.runtime.targets.session import ConnectedTarget
from compress_onnx.steps.export import exported
from compress_onnx.steps.quantization import CalibrationData, quantized

TARGET = "qemu:haswell"
BATCH = 64
_FOUND = "cross-CPU flips of LeNet-5/GTSRB W8A8, full range, simulated with and without VNNI"
_REDUCED = "the same with reduced range"
_LENET = "LeNet-5/GTSRB W8A8: predictions that differ, simulated x86-64-avx2 against qemu:haswell"
_SQUEEZENET = "SqueezeNet/GTSRB W8A8, 2,000 images: predictions that differ, likewise"
_FASTER = "SqueezeNet/GTSRB W8A8: qemu's time per image over the simulated one's"
BARS: dict[str, tuple[float, Reach]] = {
    _FOUND: (0.01, "at least"),
    _REDUCED: (0.0, "at most"),
    _LENET: (3, "at most"),
    _SQUEEZENET: (2, "at most"),
    _FASTER: (5, "at least"),
}


def target_rows(folder: Path) -> Iterator[Row]:
    """Yield the flips between both kinds of CPU, and how well and fast they are simulated."""
    missing = _missing()
    if missing:
        yield from (Row(figure=figure, bar=bar, reach=reach, skipped=missing) for figure, (bar, reach) in BARS.items())
        return
    there = connect(target_named(TARGET))
    lenet = _Files("lenet5-gtsrb", folder, 12_630)
    yield _row(_FOUND, lenet.flips("x86-64-vnni"))
    yield _row(_REDUCED, lenet.flips("x86-64-avx2"))
    yield _row(_LENET, lenet.compared("x86-64-vnni", there)[0])
    squeezenet = _Files("squeezenet-gtsrb", folder, 2_000)
    differing, faster = squeezenet.compared("x86-64-vnni", there)
    yield _row(_SQUEEZENET, differing)
    yield _row(_FASTER, faster)


def _row(figure: str, value: float) -> Row:
    bar, reach = BARS[figure]
    return Row(figure=figure, bar=bar, reach=reach, ours=f"{value:.4g}", value=value)


class _Files:
    """A network's quantized files, and test images drawn at random."""

    def __init__(self, name: str, folder: Path, images: int) -> None:
        self._test, self._folder, self._name = load_data("gtsrb:test"), folder, name
        self._base = folder / f"{name}.onnx"
        save_model(exported(name, images=self._test).model, self._base)
        rows = np.sort(np.random.default_rng(0).permutation(len(self._test))[:images])
        chosen = self._test.subset(rows, split="bench")
        self._batches = list(chosen.batches(form_of(load_model(self._base)), BATCH))

    def quantized(self, cpu: str) -> Path:
        path = self._folder / f"{self._name}-{cpu}.onnx"
        data = CalibrationData(training=load_data("gtsrb:train"), evaluation=self._test, size=512, seed=0)
        quantized(self._base, QuantizeOptions(cpu=cpu), data=data).model.save(path)
        return path

    def simulated(self, path: Path, *, saturating: bool) -> NDArray[np.float32]:
        model = EmulatedModel(fused(load_model(path)), saturating=saturating)
        return np.concatenate([model.logits(batch) for batch in self._batches])

    def flips(self, cpu: str) -> float:
        path = self.quantized(cpu)
        classes = [self.simulated(path, saturating=way).argmax(axis=1) for way in (True, False)]
        return float((classes[0] != classes[1]).mean())

    def compared(self, cpu: str, there: ConnectedTarget) -> tuple[int, float]:
        """Return how many predictions differ from the emulated CPU's, and how much longer that one takes."""
        path, began = self.quantized(cpu), time.perf_counter()
        ours = self.simulated(path, saturating=True)
        between = time.perf_counter()
        theirs = there.logits(path, self._batches, threads=1, classes=ours.shape[1])
        ended = time.perf_counter()
        return int((ours.argmax(axis=1) != theirs.argmax(axis=1)).sum()), (ended - between) / (between - began)


def _missing() -> str:
    if not all((data_root() / "gtsrb" / f"{split}.parquet").exists() for split in ("train", "test")):
        return "no data under $COMPRESS_ONNX_DATA"
    try:
        target_named(TARGET)
    except CompressOnnxError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="compress-onnx-bench-") as name:
        measured = list(target_rows(Path(name)))
    print(cpu_label(), table(measured), sep="\n")  # noqa: T201  # the table is the output
    sys.exit(int(any(row.passed is False for row in measured)))
