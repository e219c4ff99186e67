"""Pruned models checked against their source: nothing but zeros, and answers that are numbers."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from compress_onnx.compress.checks.verify import REPORT, outputs
from compress_onnx.errors import SelfCheckError
from compress_onnx.model import copied, prunable_initializers, read_embedded, signature_of

_IMAGES, _SIDE, _CHANNELS, _SEED = 2, 224, 3, 0


def expect_only_zeros(before: onnx.ModelProto, after: onnx.ModelProto) -> None:
    """Raise unless ``after`` is ``before``, bit for bit, but for weights that became zero.

    Errors
    ------
    SelfCheckError
        that names the first tensor which changed otherwise.
    """
    restored = copied(after)
    thinned = prunable_initializers(restored)
    # Weights lie in branches and loops too: what is put back wherever it stood has to make the source again.
    for name, tensor in prunable_initializers(before).items():
        found = thinned.get(name)
        if found is None or not _only_thinned(tensor, found):
            raise _otherwise(f"another tensor {name!r}")
        found.CopyFrom(tensor)
    if restored.graph != before.graph:
        raise _otherwise("other nodes or tensors")


def _only_thinned(before: onnx.TensorProto, after: onnx.TensorProto) -> bool:
    old, new = numpy_helper.to_array(before), numpy_helper.to_array(after)
    # Bits, so that a negative zero or a NaN is what it was.
    kept = new != 0
    return old.dtype == new.dtype and old.shape == new.shape and old[kept].tobytes() == new[kept].tobytes()


def _otherwise(got: str) -> SelfCheckError:
    return SelfCheckError("a source that lost weights and nothing else", got, where="pruning", remedy=REPORT)


def expect_sound_pruning(before: onnx.ModelProto, after: onnx.ModelProto, images: NDArray[np.float32]) -> None:
    """Raise unless the pruned, perhaps repaired, model gives numbers wherever its source does.

    Errors
    ------
    SelfCheckError
        if its outputs are NaN or infinite, or of another shape.
    """
    wanted, given = outputs(before, images), outputs(after, images)
    if wanted.shape != given.shape or not np.isfinite(given[np.isfinite(wanted)]).all():
        raise SelfCheckError(
            f"finite outputs of shape {wanted.shape}", f"shape {given.shape}", where="pruning", remedy=REPORT
        )


def made_images(model: onnx.ModelProto) -> NDArray[np.float32]:
    """Return seeded random pixels as the model takes them, (N, C, H, W) or (N, H, W, C) float32.

    By its own preprocessing, else within ±2, as normalized images are.
    """
    takes, known = signature_of(model), read_embedded(model).preprocessing
    channels_last = known is not None and known.layout == "NHWC"
    usual = (_SIDE, _SIDE, _CHANNELS) if channels_last else (_CHANNELS, _SIDE, _SIDE)
    if known is not None:
        usual = (
            (known.height, known.width, known.channels)
            if channels_last
            else (known.channels, known.height, known.width)
        )
    shape = [size or default for size, default in zip(takes.image_shape, usual, strict=True)]
    pixels = np.random.default_rng(_SEED).random((takes.fixed_batch or _IMAGES, *shape), dtype=np.float32)
    if known is None:
        return pixels * 4 - 2
    by_channel = (-1,) if channels_last else (-1, 1, 1)
    mean, std = (np.asarray(value, np.float32).reshape(by_channel) for value in (known.mean, known.std))
    return np.asarray((pixels - mean) / std, dtype=np.float32)
