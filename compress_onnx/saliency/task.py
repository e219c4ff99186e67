"""What is to be explained: the samples, their target classes, the method."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from compress_onnx.errors import DataError
from compress_onnx.extension_points import attribution
from compress_onnx.options import SEED
from compress_onnx.saliency import batching
from compress_onnx.saliency.attribution import Predict, batch_maps, explained_module, seeded
from compress_onnx.saliency.twin import fixed_batch

Inputs = NDArray[np.float32]
Maps = NDArray[np.float32]
Batches = Callable[[int], Iterable[Inputs]]
"""The inputs in batches of at most so many, always the same ones in the same order: asked for once per pass."""


def in_batches(inputs: Inputs) -> Batches:
    """Return inputs (N, ...) that lie in memory as batches.

    >>> [len(batch) for batch in in_batches(np.zeros((3, 1), np.float32))(2)]
    [2, 1]
    """
    return lambda size: (inputs[start : start + size] for start in range(0, len(inputs), size))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SaliencyTask:
    """What is explained, and how.

    ``batches`` yields the N inputs, (B, C, H, W) float32; ``targets`` (N,) int64, the class
    explained per sample, and ``target``, their name in the record (``baseline`` for its
    predictions, ``label``); ``method`` names an attribution; ``noise_amplitude`` (C,) float32 is
    the noise of the floor in input units (:func:`compress_onnx.saliency.floor_ceiling.noise_amplitude`);
    ``classes`` (N,) int64 sorts the samples for the summary by class, by default as the targets do,
    and ``class_names`` names them; ``channel_axis`` is 3 for a model that takes (N, H, W, C).
    ``predict`` gives the logits of the baseline's session, for a method that runs on it;
    ``checked_on`` yields the inputs on which twins are held against ONNX Runtime, by default those
    that are explained. ``seed`` is that of a method that draws numbers.
    """

    batches: Batches
    targets: NDArray[np.int64]
    target: str
    method: str
    noise_amplitude: NDArray[np.float32]
    classes: NDArray[np.int64] | None = None
    class_names: Sequence[str] = ()
    channel_axis: int = 1
    predict: Predict | None = None
    checked_on: Batches | None = None
    seed: int = SEED.default

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def sorted_as(self) -> NDArray[np.int64]:
        """The class of each sample in the summary by class, (N,)."""
        return self.targets if self.classes is None else self.classes

    def check(self, logits: NDArray[np.float32]) -> None:
        """Raise unless targets, classes and the baseline's logits on the checked inputs belong together.

        Errors
        ------
        DataError
            if their numbers differ or a target is not one of the classes.
        UnknownNameError
            if there is no such method.
        """
        attribution(self.method)
        rows = len(logits) if self.checked_on is None else len(self)
        if not len(self.targets) == len(self.sorted_as) == rows:
            got = f"{len(self.targets)} targets, {len(self.sorted_as)} classes, {len(logits)} rows of logits"
            raise DataError("one target, class and row of logits per sample to explain", got)
        if len(self.targets) and not 0 <= self.targets.min() <= self.targets.max() < logits.shape[1]:
            got = f"targets from {self.targets.min()} to {self.targets.max()}"
            raise DataError(f"target classes from 0 to {logits.shape[1] - 1}", got)

    def inputs(self, twin: nn.Module) -> Iterator[tuple[slice, Inputs]]:
        """Yield the rows of each batch and the batch, of the size the twin takes.

        Errors
        ------
        DataError
            if there are more or fewer inputs than targets.
        """
        done = 0
        for batch in self.batches(self.batch_size(twin)):
            rows = slice(done, done + len(batch))
            done = rows.stop
            if done > len(self):
                break
            yield rows, batch
        if done != len(self):
            raise DataError("one target per sample to explain", f"{len(self)} targets for {done} samples or more")

    def checks(self, twin: nn.Module) -> Iterator[tuple[slice, Inputs]]:
        """Yield rows and batches of the inputs on which a twin is held against ONNX Runtime."""
        if self.checked_on is None:
            yield from self.inputs(twin)
            return
        done = 0
        for batch in self.checked_on(self.batch_size(twin)):
            yield slice(done, done + len(batch)), batch
            done += len(batch)

    def explained(self, twin: nn.Module, predict: Predict | None) -> nn.Module:
        """Return what the method explains: the twin, or the session behind ``predict`` where it runs on that.

        Errors
        ------
        UnknownNameError
            if the model lacks the layer that the method's name asks for.
        """
        return explained_module(attribution(self.method), twin, predict)

    @staticmethod
    def batch_size(twin: nn.Module) -> int:
        """Return how many samples one backward pass takes."""
        return fixed_batch(twin) or batching.BATCH

    def explain(self, twin: nn.Module, batch: Inputs, rows: slice) -> Maps:
        """Return the maps (B, H, W) of the samples in ``rows`` under a twin, by one backward pass.

        Errors
        ------
        ModelError
            if a map is NaN or infinite.
        """
        method = seeded(attribution(self.method), self.seed)
        return batch_maps(method, twin, batch, self.targets[rows], channel_axis=self.channel_axis)
