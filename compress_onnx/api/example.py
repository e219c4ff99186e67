"""A classifier of three colors and pictures for it, for examples: it needs no training and no download."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.model import Embedded, write_embedded
from compress_onnx.records import Preprocessing

CLASSES = ("red", "green", "blue")
SIDE = 6


def classifier(
    noise: float = 0.0, *, seed: int = 0, side: int = SIDE, classes: int = 3, batch: int | str = "n"
) -> onnx.ModelProto:
    """Return a network that tells the strongest of three colors: a convolution and a dense layer.

    ``noise`` is the standard deviation of what is added to the convolution's weights, drawn by ``seed``. It takes
    ``batch`` pictures of ``side`` x ``side``; classes beyond three are never told.
    """
    rng = np.random.default_rng(seed)
    first = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1) + rng.normal(0, noise, (3, 3, 1, 1)).astype(np.float32)
    last = np.tile(np.eye(classes, 3, dtype=np.float32)[:, :, None], side**2).reshape(classes, -1)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["images", "w1"], ["c"], name="conv"),
            helper.make_node("Flatten", ["c"], ["f"], name="flatten"),
            helper.make_node("Gemm", ["f", "w2"], ["logits"], name="fc", transB=1, alpha=side**-2),
        ],
        "colors",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, side, side])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, classes])],
        [numpy_helper.from_array(first, "w1"), numpy_helper.from_array(last, "w2")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    form = Preprocessing(height=side, width=side, mean=(0.5,) * 3, std=(0.5,) * 3)
    return write_embedded(model, Embedded(preprocessing=form, class_names=CLASSES if classes == 3 else ()))


def pictures(n: int = 60, *, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return pictures (n, 6, 6, 3) uint8 whose strongest color is their class, more or less, and the classes (n,).

    >>> images, labels = pictures(4)
    >>> images.shape, labels.tolist()
    ((4, 6, 6, 3), [0, 1, 2, 0])
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    colors = rng.integers(0, 200, (n, 3)) + 30 * np.eye(3, dtype=int)[labels]
    noisy = colors[:, None, None] + rng.integers(0, 20, (n, SIDE, SIDE, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8), labels.astype(np.int64)
