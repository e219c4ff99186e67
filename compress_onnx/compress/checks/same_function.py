"""Two forms of one float network compared by what they give for a few images, real or made."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.errors import SelfCheckError
from compress_onnx.model import read_embedded, signature_of
from compress_onnx.ort import StepSession

# Share of the largest output by which two forms of one float network may differ: rounding alone differs by 1e-6.
_SAME = 1e-2
# Images that check a result: every position of every channel tells.
CHECKED_IMAGES = 2
# Of images that are made: pixels a side and channels where the model does not say, and the seed.
_SIDE, _CHANNELS, _SEED = 224, 3, 0
REPORT = "Nothing was written; please report it with the model, or leave that step out."


def expect_same_function(
    before: onnx.ModelProto, given: NDArray[np.floating], images: NDArray[np.float32], *, step: str
) -> None:
    """Raise unless outputs ``given`` (N, C) are the first model's but for rounding, where that has finite ones.

    Errors
    ------
    SelfCheckError
        that names the ``step`` whose model gave them.
    """
    apart = difference(outputs(before, images, optimized=False), given)
    if not apart <= _SAME:
        raise SelfCheckError(
            "the source's outputs after a step that changes none",
            f"a difference of {apart:.2%} of the largest",
            where=step,
            remedy=REPORT,
        )


def difference(wanted: NDArray[np.floating], given: NDArray[np.floating]) -> float:
    """Return how far outputs (N, C) differ at most, as a share of the largest wanted; 0 where those are not finite.

    >>> difference(np.array([[4.0, 2.0]]), np.array([[4.0, 1.0]]))
    0.25
    """
    if not np.isfinite(wanted).all():
        return 0.0
    largest = float(np.abs(wanted).max(initial=0)) or 1.0
    return float(np.abs(wanted.astype(np.float64) - given).max(initial=0)) / largest


def outputs(model: onnx.ModelProto, images: NDArray[np.float32], *, optimized: bool = True) -> NDArray[np.float32]:
    """Return what a model gives (N, C) for the images, as many as it takes at once."""
    expected = signature_of(model)
    session = StepSession(
        model.SerializeToString(),
        optimized=optimized,
        expected="a model that ONNX Runtime loads and runs",
        where="check of the result",
    )
    return session.outputs({expected.input_name: images}, [expected.output_name])[0]


def few(images: NDArray[np.float32], model: onnx.ModelProto) -> NDArray[np.float32]:
    """Return the image that tells a wrong output from a right one; all where the model takes no other number."""
    return images if signature_of(model).fixed_batch else images[:1]


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
    pixels = np.random.default_rng(_SEED).random((takes.fixed_batch or CHECKED_IMAGES, *shape), dtype=np.float32)
    if known is None:
        return pixels * 4 - 2
    by_channel = (-1,) if channels_last else (-1, 1, 1)
    mean, std = (np.asarray(value, np.float32).reshape(by_channel) for value in (known.mean, known.std))
    return np.asarray((pixels - mean) / std, dtype=np.float32)
