"""Time and peak memory of calibration against what ``quantize_static`` does; also the child that is weighed.

``python bench_calibration.py ours|theirs MODEL N METHOD`` calibrates and prints the process's peak in MiB.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
from bench_feed import Reader, quiet, random_images
from bench_table import Row
from onnxruntime.quantization.calibrate import create_calibrator
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

from compress_onnx.compress.calibration.calibrate import METHODS, ranges
from compress_onnx.compress.calibration.image_chunks import fitting
from compress_onnx.model.files import load_model
from compress_onnx.model.signature import signature_of

BATCH = 16
TIMED, ROUNDS = 128, 5
MANY, MORE, FEW = 1024, 2048, 256
# What quantize_static takes for 1,024 images of ResNet-18, and room to breathe.
_NEEDED_BYTES = 8 * 2**30


def ours(model: Path, n: int, method: str) -> None:
    """Calibrate as this package does."""
    images = fitting(random_images(n, batch=BATCH), signature_of(load_model(model)))
    with tempfile.TemporaryDirectory() as folder:
        ranges(model, "input", images, method=method, scratch=Path(folder))


def theirs(model: Path, n: int, method: str) -> None:
    """Calibrate with the calls that ``quantize_static`` makes."""
    with tempfile.TemporaryDirectory() as folder, quiet():
        calibrator = create_calibrator(
            model,
            list({*QLinearOpsRegistry, *QDQRegistry}),
            augmented_model_path=str(Path(folder) / "augmented.onnx"),
            calibrate_method=METHODS[method],
        )
        calibrator.collect_data(Reader(random_images(n, batch=BATCH)))
        calibrator.compute_data()


SIDES: dict[str, Callable[[Path, int, str], None]] = {"ours": ours, "theirs": theirs}


def time_rows(name: str, model: Path) -> Iterator[Row]:
    """Yield calibration time by method, both sides in turn."""
    for method in METHODS:
        spent: dict[str, list[float]] = {side: [] for side in SIDES}
        for turn in range(ROUNDS):
            for side in list(SIDES)[:: 1 if turn % 2 else -1]:
                begin = time.perf_counter()
                SIDES[side](model, TIMED, method)
                spent[side].append(time.perf_counter() - begin)
        seconds = {side: np.asarray(values) for side, values in spent.items()}
        yield Row(
            figure=f"calibration time / quantize_static's, {name}, {method}, {TIMED} images",
            bar=1.0,
            reach="at most",
            ours=f"{np.median(seconds['ours']):.2f} s",
            reference=f"{np.median(seconds['theirs']):.2f} s",
            value=float(np.median(seconds["ours"] / seconds["theirs"])),
        )


def memory_rows(name: str, model: Path) -> Iterator[Row]:
    """Yield the peak memory of percentile calibration against ``quantize_static``, and its growth."""
    few, many, more = (_peak("ours", model, n) for n in (FEW, MANY, MORE))
    figure = f"calibration peak memory / quantize_static's, {name}, percentile, {MANY:,} images"
    available = psutil.virtual_memory().available
    if available < _NEEDED_BYTES:
        free = f"quantize_static needs {_NEEDED_BYTES / 2**30:.0f} GiB, {available / 2**30:.1f} are free"
        yield Row(figure=figure, bar=1 / 6, reach="at most", ours=_mib(many), skipped=free)
    else:
        reference = _peak("theirs", model, MANY)
        yield Row(
            figure=figure,
            bar=1 / 6,
            reach="at most",
            ours=_mib(many),
            reference=_mib(reference),
            value=many / reference,
        )
    yield Row(
        figure=f"calibration peak memory, {MORE:,} images / {FEW} images, {name}, percentile",
        bar=1.05,
        reach="at most",
        ours=_mib(more),
        reference=_mib(few),
        value=more / few,
    )


def _peak(side: str, model: Path, n: int) -> float:
    """Return the peak resident memory, in MiB, of a fresh process that calibrates."""
    command = [sys.executable, __file__, side, str(model), str(n), "percentile"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _mib(value: float) -> str:
    return f"{value:,.0f} MiB"


def own_peak() -> float:
    """Return this process's peak resident memory in MiB.

    Not ``getrusage``: Linux hands ``ru_maxrss`` on through exec, so a child would report its
    parent's peak where that is larger.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text(encoding="ascii").split("VmHWM:")[1].split()[0]) / 2**10
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    SIDES[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    print(own_peak())  # noqa: T201  # read by the parent
