"""Fidelity first: whether the twin computes what ONNX Runtime computes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import fx, nn

from compress_onnx.errors import DataError, ModelError
from compress_onnx.options import Progress, silent
from compress_onnx.records import TwinFidelity
from compress_onnx.saliency.batching import Pace, as_images, slices
from compress_onnx.saliency.twin import build_twin

# One prediction in 200. Rounding at the last bit of an integer kernel flips far fewer (none of 12,630
# for LeNet-5 on GTSRB), a wrongly computed operator flips far more: the bound separates the two.
ACCEPTED_AGREEMENT = 0.995
# What stands in a record where no twin could be asked.
UNTESTED = TwinFidelity(n=0, top1_agreement=0.0, max_abs_logit_diff=0.0, accepted=False)


def fidelity(
    twin: nn.Module,
    inputs: NDArray[np.float32],
    runtime_logits: NDArray[np.float32],
    *,
    progress: Progress = silent,
) -> TwinFidelity:
    """Compare the twin's logits with those of ONNX Runtime on the same samples.

    ``inputs`` (N, C, H, W) and ``runtime_logits`` (N, classes) float32. Among equal logits the
    first class is the prediction, in both. No samples: nothing is accepted.

    Errors
    ------
    DataError
        if the numbers of samples or classes differ.
    ModelError
        if either side gives NaN or infinity.
    """
    if len(inputs) == 0:
        return UNTESTED
    logits = twin_logits(twin, inputs, progress=progress)
    if logits.shape != runtime_logits.shape:
        raise DataError("logits of one shape from twin and runtime", f"{logits.shape} and {runtime_logits.shape}")
    return agreement(logits, runtime_logits)


def agreement(twin: NDArray[np.float32], runtime: NDArray[np.float32]) -> TwinFidelity:
    """Return how well two sets of logits (N, classes) agree, N at least 1.

    >>> agreement(np.array([[0, 1], [1, 0]], np.float32), np.array([[0, 1.5], [1, 0]], np.float32)).max_abs_logit_diff
    0.5
    """
    if not (np.isfinite(twin).all() and np.isfinite(runtime).all()):
        side = "ONNX Runtime" if not np.isfinite(runtime).all() else "the PyTorch twin"
        raise ModelError("finite logits", f"NaN or infinity from {side}", remedy="Check the model's weights.")
    same = float(np.mean(twin.argmax(axis=1) == runtime.argmax(axis=1)))
    return TwinFidelity(
        n=len(twin),
        top1_agreement=same,
        max_abs_logit_diff=float(np.abs(twin - runtime).max()),
        accepted=same >= ACCEPTED_AGREEMENT,
    )


def together(first: TwinFidelity, second: TwinFidelity) -> TwinFidelity:
    """Return the fidelity over two sets of samples; one of them may be empty, not both.

    >>> half = TwinFidelity(n=1, top1_agreement=0.0, max_abs_logit_diff=0.5, accepted=False)
    >>> together(half, TwinFidelity(n=3, top1_agreement=1.0, max_abs_logit_diff=0.1, accepted=True)).top1_agreement
    0.75
    """
    n = first.n + second.n
    same = (first.n * first.top1_agreement + second.n * second.top1_agreement) / n
    return TwinFidelity(
        n=n,
        top1_agreement=same,
        max_abs_logit_diff=max(first.max_abs_logit_diff, second.max_abs_logit_diff),
        accepted=same >= ACCEPTED_AGREEMENT,
    )


def twin_logits(twin: nn.Module, inputs: NDArray[np.float32], *, progress: Progress = silent) -> NDArray[np.float32]:
    """Return the twin's logits (N, classes) float32 for ``inputs`` (N, C, H, W), N at least 1."""
    batches = []
    pace = Pace(progress, len(inputs), "checking the twin")
    for part in slices(len(inputs), twin):
        with torch.no_grad():
            logits = twin(as_images(inputs[part], twin))
        batches.append(logits.numpy()[: part.stop - part.start])
        pace.done(part.stop)
    return np.concatenate(batches)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckedTwin:
    """A twin that was accepted, or ``None`` and the reason; and how exactly it agrees."""

    twin: fx.GraphModule | None
    fidelity: TwinFidelity
    reason: str | None = None


def faithful_twin(
    model: onnx.ModelProto,
    inputs: Callable[[nn.Module], Iterable[tuple[slice, NDArray[np.float32]]]],
    runtime_logits: NDArray[np.float32],
    *,
    progress: Progress = silent,
) -> CheckedTwin:
    """Build a model's twin and keep it only if :func:`fidelity` accepts it; never raises for the model.

    ``inputs`` yields rows and batches of inputs for the twin: no more than one batch is in memory.
    """
    try:
        twin = build_twin(model)
        agreed, pace = UNTESTED, Pace(progress, len(runtime_logits), "checking the twin")
        for rows, batch in inputs(twin):
            agreed = together(agreed, fidelity(twin, batch, runtime_logits[rows]))
            pace.done(rows.stop)
    except ModelError as error:
        return CheckedTwin(twin=None, fidelity=UNTESTED, reason=str(error))
    if agreed.accepted:
        return CheckedTwin(twin=twin, fidelity=agreed)
    reason = (
        f"the PyTorch twin predicts the class of ONNX Runtime on {agreed.top1_agreement:.2%} of {agreed.n} samples, "
        f"{ACCEPTED_AGREEMENT:.1%} are needed"
    )
    return CheckedTwin(twin=None, fidelity=agreed, reason=reason)
