"""How the same file answers on a CPU without VNNI: full range and reduced range, emulated.

Alone: ``python tests/benchmarks/bench_targets.py``, about two minutes on a quiet machine.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bench_models import form_of
from bench_table import Reach, Row, table
from numpy.typing import NDArray

from compress_onnx.compress.quantize import QuantizeOptions
from compress_onnx.config import data_root
from compress_onnx.data.sources import load_data
from compress_onnx.errors import CompressOnnxError
from compress_onnx.graph import load_model, save_model
from compress_onnx.ort.session import open_session
from compress_onnx.runtime.predict import logits_of
from compress_onnx.runtime.targets import Elsewhere, reached, target_named
from compress_onnx.study.export import exported
from compress_onnx.study.quantise import CalibrationData, quantise_file

TARGET = "qemu:haswell"
_FOUND = "cross-CPU flips of LeNet-5/GTSRB W8A8, full range, on qemu:haswell"
_REDUCED = "the same with reduced range, over those with full range"


def target_rows(folder: Path) -> Iterator[Row]:
    """Yield the flips between this CPU and an emulated Haswell over all GTSRB test images."""
    bars: tuple[tuple[str, float, Reach], ...] = ((_FOUND, 1e-9, "at least"), (_REDUCED, 0.25, "at most"))
    missing = _missing()
    if missing:
        yield from (Row(figure=figure, bar=bar, reach=reach, skipped=missing) for figure, bar, reach in bars)
        return
    there = reached(target_named(TARGET))
    test, base = load_data("gtsrb:test"), folder / "lenet5.onnx"
    save_model(exported("lenet5-gtsrb", images=test).model, base)
    form = form_of(load_model(base))
    images = np.concatenate(list(test.batches(form)))
    data = CalibrationData(training=load_data("gtsrb:train"), evaluation=test, size=512, seed=0)
    flips = {}
    for cpu in ("x86-64-vnni", "x86-64-avx2"):
        path = folder / f"{cpu}.onnx"
        quantise_file(base, path, QuantizeOptions(cpu=cpu), data=data)
        flips[cpu] = _flips(path, images, there)
    full, reduced = flips["x86-64-vnni"], flips["x86-64-avx2"]
    shown = f"{full:.2%} of {len(images):,}"
    yield Row(figure=_FOUND, bar=1e-9, reach="at least", ours=shown, value=full)
    ratio = reduced / full if full else 1.0
    yield Row(figure=_REDUCED, bar=0.25, reach="at most", ours=f"{reduced:.2%}", reference=f"{full:.2%}", value=ratio)


def _missing() -> str:
    if not all((data_root() / "gtsrb" / f"{split}.parquet").exists() for split in ("train", "test")):
        return "no data under $COMPRESS_ONNX_DATA"
    try:
        target_named(TARGET)
    except CompressOnnxError as error:
        return str(error)
    return ""


def _flips(path: Path, images: NDArray[np.float32], there: Elsewhere) -> float:
    batches = np.array_split(images, 64)
    here = logits_of(open_session(path), batches)
    other = there.logits(path, batches, threads=1, classes=here.shape[1])
    return float((here.argmax(axis=1) != other.argmax(axis=1)).mean())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="compress-onnx-bench-") as name:
        measured = list(target_rows(Path(name)))
    print(table(measured))  # noqa: T201  # the table is the output
    sys.exit(int(any(row.passed is False for row in measured)))
