"""Latency of our files against FP32 and ONNX Runtime's own, fused shares, file sizes.

Alone, the latencies: ``python tests/benchmarks/bench_latency.py``.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bench_feed import random_images
from bench_models import NO_INT4, Files, made
from bench_table import Row, table

from compress_onnx.runtime.bench.latency import LatencyPlan, measure_latency
from compress_onnx.runtime.bench.speedup import paired_speedup, round_medians
from compress_onnx.runtime.cpu.fusion import fusion_receipt
from compress_onnx.runtime.cpu.machine import cpu_label, cpu_target

# One thread, batch 1. Medians of rounds pass over what other work disturbs.
PLAN = LatencyPlan(rounds=15, calls=15)
Medians = dict[Path, np.ndarray]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """How many times as fast our files must be, on one class of CPUs."""

    against_fp32: float
    against_s8s8: float
    against_int4: float


# Without VNNI an integer product takes three instructions instead of one.
BARS = {
    ("resnet18", "x86-64-vnni"): Bars(against_fp32=3.5, against_s8s8=2.5, against_int4=8.0),
    ("resnet18", "x86-64-avx2"): Bars(against_fp32=1.8, against_s8s8=1.5, against_int4=4.0),
    ("squeezenet", "x86-64-vnni"): Bars(against_fp32=1.4, against_s8s8=2.5, against_int4=8.0),
    ("squeezenet", "x86-64-avx2"): Bars(against_fp32=1.0, against_s8s8=1.5, against_int4=4.0),
}


def latency_rows(name: str, files: Files) -> Iterator[Row]:
    """Yield the latency rows of one network, all its files timed in one interleaved run."""
    bars = BARS[name, cpu_target()]
    paths = [path for path in (files.fp32, files.w8a8, files.w4a8, files.ort_s8s8, files.ort_int4) if path]
    images = next(random_images(1, batch=1))
    timings = measure_latency(paths, images, plan=PLAN, rng=np.random.default_rng(0))
    medians = {
        path: round_medians(np.asarray(run.values_ms), PLAN.rounds)
        for path, run in zip(paths, timings.runs, strict=True)
    }
    row = functools.partial(_faster, medians)
    yield row(f"W8A8 faster than FP32, {name}", files.w8a8, files.fp32, bar=bars.against_fp32)
    yield row(
        f"W8A8 faster than quantize_static's defaults (S8S8), {name}", files.w8a8, files.ort_s8s8, bar=bars.against_s8s8
    )
    yield row(f"W4A8 faster than quantize_static QInt4, {name}", files.w4a8, files.ort_int4, bar=bars.against_int4)
    yield _slower(medians, f"W4A8 latency / W8A8 latency, {name}", files, bar=1.10)


def _faster(medians: Medians, figure: str, ours: Path | None, reference: Path, *, bar: float) -> Row:
    if ours is None:
        return Row(figure=figure, bar=bar, reach="at least", skipped=NO_INT4)
    speedup = paired_speedup(medians[reference], medians[ours], rng=np.random.default_rng(0))
    return Row(
        figure=figure,
        bar=bar,
        reach="at least",
        ours=_ms(medians[ours]),
        reference=_ms(medians[reference]),
        value=speedup.value,
    )


def _slower(medians: Medians, figure: str, files: Files, *, bar: float) -> Row:
    if files.w4a8 is None:
        return Row(figure=figure, bar=bar, reach="at most", skipped=NO_INT4)
    ours, reference = medians[files.w4a8], medians[files.w8a8]
    ratio = paired_speedup(ours, reference, rng=np.random.default_rng(0)).value
    return Row(figure=figure, bar=bar, reach="at most", ours=_ms(ours), reference=_ms(reference), value=ratio)


def _ms(medians: np.ndarray) -> str:
    return f"{np.median(medians):.3f} ms"


def fusion_rows(name: str, files: Files) -> Iterator[Row]:
    """Yield the share of Conv, Gemm and MatMul nodes that run as integer kernels."""
    for kind, path in (("W8A8", files.w8a8), ("W4A8", files.w4a8)):
        figure = f"fused share of Conv and Gemm, {name} {kind}"
        if path is None:
            yield Row(figure=figure, bar=1.0, reach="at least", skipped=NO_INT4)
            continue
        receipt = fusion_receipt(path)
        yield Row(
            figure=figure,
            bar=1.0,
            reach="at least",
            ours=f"{receipt.quantized_nodes} integer, {len(receipt.float_nodes)} float",
            value=receipt.int8_fraction,
        )


def size_row(name: str, files: Files) -> Row:
    """Return the size of our int4 file against ONNX Runtime's."""
    figure = f"W4A8 file / quantize_static QInt4 file, {name}"
    if files.w4a8 is None:
        return Row(figure=figure, bar=1.03, reach="at most", skipped=NO_INT4)
    ours, reference = files.w4a8.stat().st_size, files.ort_int4.stat().st_size
    return Row(
        figure=figure,
        bar=1.03,
        reach="at most",
        ours=f"{ours / 1e6:.3f} MB",
        reference=f"{reference / 1e6:.3f} MB",
        value=ours / reference,
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="compress-onnx-bench-") as folder:
        measured = [row for name in ("resnet18", "squeezenet") for row in latency_rows(name, made(name, Path(folder)))]
    print(cpu_label(), table(measured), sep="\n")  # noqa: T201  # the table is the output
    sys.exit(int(any(row.passed is False for row in measured)))
