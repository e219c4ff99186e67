"""What is to be explained: the samples, their target classes, the method."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from torch import nn

from compress_onnx.config import Progress
from compress_onnx.errors import DataError
from compress_onnx.extension_points import attribution
from compress_onnx.saliency.attribution import batch_maps
from compress_onnx.saliency.batching import Pace, slices

Inputs = NDArray[np.float32]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SaliencyTask:
    """What is explained, and how.

    ``inputs`` (N, C, H, W) float32; ``targets`` (N,) int64, the class explained per sample, and
    ``target``, their name in the record (``baseline`` for its predictions, ``label``); ``method``
    names an attribution; ``noise_amplitude`` (C,) float32 is the noise of the floor in input units
    (:func:`compress_onnx.saliency.anchors.noise_amplitude`); ``keep`` (K,) int64 are the samples
    whose maps are handed out; ``counted`` (N,) bool marks the samples that the summaries count, all
    of them by default; ``channel_axis`` is 3 for a model that takes (N, H, W, C).
    """

    inputs: Inputs
    targets: NDArray[np.int64]
    target: str
    method: str
    noise_amplitude: NDArray[np.float32]
    keep: NDArray[np.int64]
    counted: NDArray[np.bool_] | None = None
    channel_axis: int = 1

    @property
    def counts(self) -> NDArray[np.bool_]:
        """Whether the summaries count each sample, (N,)."""
        return np.ones(len(self), dtype=np.bool_) if self.counted is None else self.counted

    def __len__(self) -> int:
        return len(self.inputs)

    def check(self, logits: NDArray[np.float32]) -> None:
        """Raise unless inputs, targets and the baseline's logits (N, classes) belong together.

        Errors
        ------
        DataError
            if their numbers differ or a target is not one of the classes.
        UnknownNameError
            if there is no such method.
        """
        attribution(self.method)
        counts = {len(self.inputs), len(self.targets), len(self.counts), len(logits)}
        if len(counts) != 1:
            got = f"{len(self.inputs)} inputs, {len(self.targets)} targets, {len(logits)} rows of logits"
            raise DataError("one target and one row of logits per sample to explain", got)
        if len(self.targets) and not 0 <= self.targets.min() <= self.targets.max() < logits.shape[1]:
            got = f"targets from {self.targets.min()} to {self.targets.max()}"
            raise DataError(f"target classes from 0 to {logits.shape[1] - 1}", got)

    def maps(
        self, twin: nn.Module, progress: Progress, *, altered: Callable[[Inputs], Inputs] = lambda inputs: inputs
    ) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield the rows of each batch and their maps (B, H, W) under a twin, one backward pass each.

        ``altered`` changes a batch of inputs before it is explained.
        """
        method = attribution(self.method)
        pace = Pace(progress, len(self), f"{self.method} maps")
        for rows in slices(len(self), twin):
            batch, targets = altered(self.inputs[rows]), self.targets[rows]
            yield rows, batch_maps(method, twin, batch, targets, channel_axis=self.channel_axis)
            pace.done(rows.stop)
