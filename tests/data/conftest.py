"""Small sets of real bytes that the tests of the data package read."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from compress_onnx.data.images import ImageSet
from compress_onnx.records.artifacts import DatasetInfo


def png(pixels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


@pytest.fixture
def encode() -> Callable[[NDArray[np.uint8]], bytes]:
    return png


@pytest.fixture
def pictures() -> NDArray[np.uint8]:
    """Six distinct pictures (6, 4, 5, 3)."""
    return np.random.default_rng(0).integers(0, 256, size=(6, 4, 5, 3), dtype=np.uint8)


@pytest.fixture
def rows(pictures: NDArray[np.uint8]) -> list[dict[str, Any]]:
    """Six Parquet rows of the classes 0, 1, 2, 0, 1, 2."""
    return [
        {"image": {"bytes": png(picture), "path": f"p{i}.png"}, "label": i % 3} for i, picture in enumerate(pictures)
    ]


@pytest.fixture
def make_set() -> Callable[..., ImageSet]:
    """Make an image set of given pictures (N, H, W, 3) and labels (N,) or None."""

    def make(
        pictures: NDArray[np.uint8], labels: NDArray[np.int64] | None, *, name: str = "made", split: str = "train"
    ) -> ImageSet:
        classes = 0 if labels is None else int(labels.max(initial=-1)) + 1
        return ImageSet(
            info=DatasetInfo(
                name=name,
                split=split,
                n=len(pictures),
                class_names=tuple(f"class {c}" for c in range(classes)),
                sha256="0" * 64,
            ),
            sample_ids=np.array([f"{name}/{i}" for i in range(len(pictures))], dtype=np.str_),
            labels=labels,
            read=lambda i: pictures[i],
        )

    return make


@pytest.fixture
def class_folders(tmp_path: Path, pictures: NDArray[np.uint8]) -> Path:
    """A directory with the classes `stop` and `yield`, two pictures in each."""
    root = tmp_path / "signs"
    for i, name in enumerate(["yield", "yield", "stop", "stop"]):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / f"{i}.png").write_bytes(png(pictures[i]))
    return root
