"""Small hand-made classifiers and pictures; nothing here needs torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.data.images import ImageSet
from compress_onnx.data.npz import load_npz
from compress_onnx.model.files import save_model
from compress_onnx.model.metadata import Embedded, write_embedded
from compress_onnx.records.artifacts import Preprocessing

NAMES = ("red", "green", "blue")
PREPROCESSING = Preprocessing(height=6, width=6, mean=(0.5,) * 3, std=(0.5,) * 3)


def network(
    seed: int = 0, *, noise: float = 0.0, side: int = 6, classes: int = 3, batch: int | str = "n"
) -> onnx.ModelProto:
    """Average color to logits of three classes or more, through one convolution."""
    rng = np.random.default_rng(seed)
    first = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1) + rng.normal(0, noise, (3, 3, 1, 1)).astype(np.float32)
    last = np.tile(np.eye(classes, 3, dtype=np.float32)[:, :, None], side * side).reshape(classes, -1)
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
    return write_embedded(
        model,
        Embedded(
            preprocessing=dataclasses.replace(PREPROCESSING, height=side, width=side),
            class_names=NAMES if classes == 3 else (),
        ),
    )


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., Path]:
    """Save a network: ``make_model("name", noise=0.5, embedded=Embedded())``."""

    def make(name: str, *, embedded: Embedded | None = None, **shape: Any) -> Path:
        model = network(**shape)
        path = tmp_path / f"{name}.onnx"
        save_model(model if embedded is None else write_embedded(model, embedded), path)
        return path

    return make


@pytest.fixture
def make_images(tmp_path: Path) -> Callable[..., ImageSet]:
    """Save and load pictures whose strongest color is their class, more or less."""

    def make(n: int = 90, *, seed: int = 0, labeled: bool = True, names: tuple[str, ...] = NAMES) -> ImageSet:
        rng = np.random.default_rng(seed)
        labels = np.arange(n) % 3
        colors = rng.integers(0, 200, (n, 3)) + 30 * np.eye(3, dtype=int)[labels]
        pixels = np.clip(colors[:, None, None] + rng.integers(0, 20, (n, 6, 6, 3)), 0, 255).astype(np.uint8)
        arrays: dict[str, Any] = {"images": pixels}
        if labeled:
            arrays |= {"labels": labels, "class_names": np.array(names)}
        path = tmp_path / f"pictures-{seed}.npz"
        np.savez(path, **arrays)
        return load_npz(path, name=f"pictures{seed}", split="all")

    return make


@pytest.fixture
def started() -> datetime:
    return datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC)
