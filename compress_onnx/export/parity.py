"""Parity: PyTorch and the exported file on equal inputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from compress_onnx.errors import ParityError
from compress_onnx.export.exporter import in_eval_mode

# Float32 kernels of two runtimes differ in summation order; on logits this stays near 1e-6 of their range.
LIMIT = 1e-4


def check_parity(
    module: torch.nn.Module,
    run_file: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    inputs: NDArray[np.float32],
    *,
    where: object,
) -> float:
    """Return max |Δlogit| as a fraction of the logit range, on ``inputs`` (N, C, H, W).

    ``run_file`` returns the exported file's logits (N, classes) for such inputs.

    Errors
    ------
    ParityError
        if the fraction exceeds 1e-4, or the shapes differ.
    """
    expected = _module_logits(module, inputs)
    got = run_file(inputs)
    if got.shape != expected.shape:
        raise ParityError(f"logits of shape {expected.shape}", f"shape {got.shape}", where=where)
    deviation = relative_deviation(expected, got)
    if not deviation <= LIMIT:
        raise ParityError(
            f"logits within {LIMIT:g} of PyTorch's range",
            f"a deviation of {deviation:.2e}",
            where=where,
            remedy="The module may depend on its mode or on random numbers: export a deterministic eval-mode module.",
        )
    return deviation


def _module_logits(module: torch.nn.Module, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    with in_eval_mode(module), torch.inference_mode():
        logits = module(torch.from_numpy(inputs))
    return np.asarray(logits.numpy())


def relative_deviation(expected: NDArray[np.float32], got: NDArray[np.float32]) -> float:
    """Return max |expected - got| over the range of ``expected``; 0 if both are equal.

    >>> relative_deviation(np.array([[0.0, 2.0]], np.float32), np.array([[0.0, 1.0]], np.float32))
    0.5
    """
    largest = float(np.abs(expected - got).max(initial=0.0))
    spread = float(np.ptp(expected)) if expected.size else 0.0
    return 0.0 if largest == 0.0 else largest / max(spread, float(np.finfo(np.float32).tiny))
