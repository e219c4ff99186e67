"""The embedded data set: scikit-learn's 1,797 handwritten digits, 8x8, upscaled to 32x32 RGB.

Source: E. Alpaydin, C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI, 1998 (the test
part, CC BY 4.0), shipped inside scikit-learn, so that nothing is downloaded.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from compress_onnx.data.images import ImageSet, checked_split
from compress_onnx.data.splits import class_balanced
from compress_onnx.errors import MissingExtraError
from compress_onnx.files import sha256_of
from compress_onnx.records import DatasetInfo

SIZE = 32
TEST_IMAGES = 500
# Part of the data set's definition: another seed would be another test set.
SPLIT_SEED = 0


def load(split: str, root: Path) -> ImageSet:
    """Load the split ``train`` (1,297 images) or ``test`` (500, fifty per class); ``root`` is not needed.

    The split is drawn per class with NumPy's default generator and seed 0; the images of a split
    keep scikit-learn's order, and an id such as ``digits/0042`` is the row there.

    Errors
    ------
    MissingExtraError
        if scikit-learn is not installed.
    """
    del root
    checked_split("digits", split)
    pixels, labels = _digits()
    test = np.sort(class_balanced(labels, TEST_IMAGES, rng=np.random.default_rng(SPLIT_SEED)))
    rows = test if split == "test" else np.setdiff1d(np.arange(len(labels)), test)
    pictures, chosen = pixels[rows], labels[rows]
    return ImageSet(
        info=DatasetInfo(
            name="digits",
            split=split,
            n=len(rows),
            class_names=tuple(str(digit) for digit in range(10)),
            sha256=sha256_of(pictures.tobytes(), chosen.astype("<i8").tobytes()),
        ),
        sample_ids=np.array([f"digits/{row:04d}" for row in rows], dtype=np.str_),
        labels=chosen,
        read=lambda i: upscaled(pictures[i]),
    )


def upscaled(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a small gray picture (H, W) uint8, 0 to 16, as (32, 32, 3) uint8 RGB, resized bicubically.

    The brightest ink, 16, becomes 255.

    >>> upscaled(np.full((8, 8), 16, dtype=np.uint8)).max()
    np.uint8(255)
    """
    bright = np.minimum(gray.astype(np.uint16) * 16, 255).astype(np.uint8)
    large = np.asarray(Image.fromarray(bright).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    return np.repeat(large[..., None], 3, axis=2)


def _digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtraError(
            "the packages of the extra 'torch'",
            "no module scikit-learn",
            where="the data set digits",
            remedy="pip install 'compress-onnx[torch]'",
        ) from error
    bunch = load_digits()
    return bunch.images.astype(np.uint8), bunch.target.astype(np.int64)
