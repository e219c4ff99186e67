"""Measure all rows and print one table: ``make bench``, or ``python tests/benchmarks``.

Both sides of a row run in turn on this machine; what counts is their ratio. Exits 1 if a bar is missed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from bench_accuracy import flip_row, repair_rows
from bench_attention import attention_rows
from bench_calibration import memory_rows, time_rows
from bench_compare import compare_rows
from bench_coverage import coverage_rows
from bench_gate import gate_rows
from bench_latency import fusion_rows, latency_rows, size_row
from bench_metrics import metric_rows
from bench_models import NETWORKS, made, network
from bench_report import report_rows
from bench_study import study_rows
from bench_table import Row, table
from bench_targets import target_rows
from bench_twin import twin_rows

from compress_onnx.compress.pruning.prune import PruneOptions, prune_model
from compress_onnx.runtime.bench.noise_warnings import machine_warnings
from compress_onnx.runtime.cpu.machine import cpu_label


def rows(folder: Path) -> Iterator[Row]:
    """Yield every row, the most delicate measurements first."""
    files = {name: made(name, folder) for name in NETWORKS}
    yield from latency_rows("resnet18", files["resnet18"])
    yield from latency_rows("squeezenet", files["squeezenet"])
    for name in NETWORKS:
        yield from fusion_rows(name, files[name])
    yield from (size_row(name, files[name]) for name in ("resnet18", "squeezenet"))
    yield from compare_rows([files["squeezenet"].fp32, files["squeezenet"].w8a8], folder)
    yield from metric_rows()
    yield pruning_row()
    yield flip_row()
    yield from coverage_rows()
    yield from target_rows(folder)
    yield from repair_rows()
    yield from gate_rows()
    yield from time_rows("resnet18", files["resnet18"].folded)
    yield from memory_rows("resnet18", files["resnet18"].folded)
    yield from attention_rows(files)
    yield from twin_rows(folder)
    yield from study_rows(folder)
    yield from report_rows(folder)


def pruning_row() -> Row:
    """Return the seconds of one-shot pruning, without repair; the bar is absolute."""
    model, spent = network("resnet18"), []
    for _ in range(5):
        begin = time.perf_counter()
        prune_model(model, PruneOptions(sparsity=0.7))
        spent.append(time.perf_counter() - begin)
    median = float(np.median(spent))
    return Row(
        figure="pruning ResNet-18 by 70 %, without repair, seconds",
        bar=1.0,
        reach="at most",
        ours=f"{median:.2f} s",
        value=median,
    )


def main() -> int:
    """Print the table; the exit code is 1 if a bar was missed."""
    torch.set_num_threads(1)
    warnings = machine_warnings(1)
    measured = []
    with tempfile.TemporaryDirectory(prefix="compress-onnx-bench-") as folder:
        for row in rows(Path(folder)):
            measured.append(row)
            print(*row.cells(), sep=" | ", file=sys.stderr, flush=True)  # noqa: T201  # a sign of life
    print(cpu_label(), table(measured), sep="\n")  # noqa: T201  # the table is the output
    for warning in warnings:
        print(f"warning: {warning}")  # noqa: T201  # see above
    return int(any(row.passed is False for row in measured))


if __name__ == "__main__":
    sys.exit(main())
