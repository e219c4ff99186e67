"""What candidates are repaired towards: a baseline, and what it does on calibration images."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.compress.calibration import ImagePool, InputMoments, Moments
from compress_onnx.compress.layers import RepairableLayer
from compress_onnx.compress.repair.channel_statistics import baseline_moments
from compress_onnx.model import normalized, signature_of
from compress_onnx.ort import free_batch, tensor_runner

Batches = Callable[[], Iterable[NDArray[np.float32]]]

# Judging and looking at inputs run the model as it is: far lighter than measuring channels.
_BATCH = 64
# Moments of wider layers, as VGG's first fully connected one, would take gigabytes.
WIDEST = 10_240


class Reference:
    """A baseline on the images of ``pool``: whatever several repairs need is measured once.

    ``model`` is the plain form of the model ``given``, as that of its compressed copies.
    """

    def __init__(self, given: onnx.ModelProto, pool: ImagePool) -> None:
        self.given = given
        self.model = normalized(given)
        self.pool = pool
        self._layers: dict[tuple[str, ...], dict[str, Moments]] = {}

    @functools.cached_property
    def outputs(self) -> NDArray[np.float32]:
        """The model's outputs (N, C) on the images that judge."""
        return judged_outputs(self.model, self.pool)

    @functools.cached_property
    def inputs(self) -> dict[str, NDArray[np.float32]]:
        """Second moments (groups, D, D), by weight name, of what layers up to :data:`WIDEST` see on the measuring images."""
        moments = InputMoments(free_batch(self.model), widest=WIDEST)
        for _ in moments.watching(self.pool.batches(_BATCH, judging=False)):
            pass
        return moments.found()

    def layers(
        self, repairables: Sequence[RepairableLayer], batch: int, *, seen: Callable[[int], None]
    ) -> dict[str, Moments]:
        """Return the moments of the layers' outputs by tensor name, measured ``batch`` images at once."""
        names = tuple(repairable.key for repairable in repairables)
        if names in self._layers:
            seen(self.pool.size(judging=False))
        else:
            batches = self.pool.batches(batch, judging=False)
            self._layers[names] = baseline_moments(self.model, repairables, batches, seen=seen)
        return self._layers[names]


@contextlib.contextmanager
def referenced(model: onnx.ModelProto, batches: Batches) -> Iterator[Reference]:
    """Keep a baseline's calibration images on disk while candidates are repaired towards it.

    ``batches`` gives images (B, C, H, W) float32 without labels, and is asked once.

    Errors
    ------
    DataError
        if there are fewer than 8 images, or they are not finite float32.
    """
    with tempfile.TemporaryDirectory(prefix="compress-onnx-") as folder:
        yield Reference(model, ImagePool(batches(), Path(folder) / "images"))


def judged_outputs(model: onnx.ModelProto, pool: ImagePool) -> NDArray[np.float32]:
    """Return a model's outputs (N, C) on the images that judge."""
    run = tensor_runner(free_batch(model), [signature_of(model).output_name])
    return np.concatenate([run(batch)[0] for batch in pool.batches(_BATCH, judging=True)])
