"""Latency of files without a data set: timed on random inputs of each model's own shape."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from compress_onnx.config import Progress, silent
from compress_onnx.errors import ModelError, OptionError
from compress_onnx.graph import load_model, signature
from compress_onnx.records import LatencyComparison
from compress_onnx.runtime.latency import LatencyPlan, measure_latency
from compress_onnx.runtime.speedup import compare_latency, machine_warnings


def time_files(
    paths: Sequence[Path], plan: LatencyPlan, *, seed: int, progress: Progress = silent
) -> list[LatencyComparison]:
    """Return the latency of every file but the first against the first.

    Dense kernels take the same time for any input, so standard normal numbers serve.

    Errors
    ------
    OptionError
        if there are fewer than two files.
    ModelError
        if a file is no image classifier, or inputs differ or are of unknown size.
    """
    if len(paths) < 2:
        raise OptionError("a baseline and at least one candidate", f"{len(paths)} model")
    shape = _common_shape(paths)
    warnings = machine_warnings(plan.threads)
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((plan.batch, *shape), dtype=np.float32)
    runs = measure_latency(paths, inputs, plan=plan, rng=rng, progress=progress)
    return [compare_latency(runs[0], run, plan=plan, rng=rng, warnings=warnings) for run in runs[1:]]


def _common_shape(paths: Sequence[Path]) -> tuple[int, ...]:
    first: tuple[int, ...] | None = None
    for path in paths:
        shape = tuple(size for size in signature(load_model(path), where=path).image_shape if size is not None)
        if len(shape) != 3:
            raise ModelError("an input of known size beyond the batch", "an unknown dimension", where=path)
        first = first or shape
        if shape != first:
            raise ModelError(f"the baseline's input shape {first}", str(shape), where=path)
    return first or ()
