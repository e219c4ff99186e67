"""A tiny learnable set, for trainings of a second."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compress_onnx.records.artifacts import DatasetInfo, Preprocessing
from compress_onnx.zoo.recipe import TrainingRecipe


@dataclasses.dataclass
class Pictures:
    """Labeled pictures in memory, as training asks for them."""

    info: DatasetInfo
    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.images)

    def pixels(self, start: int, stop: int, preprocessing: Preprocessing) -> NDArray[np.uint8]:
        return self.images[start:stop]


def pictures(n: int, *, split: str) -> Pictures:
    """Pictures of 32x32: a bright left or right half, class 0 or 1, under noise."""
    rng = np.random.default_rng([n, len(split)])
    labels = np.arange(n, dtype=np.int64) % 2
    images = rng.integers(0, 120, size=(n, 32, 32, 3), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 16 * label : 16 * label + 16] += 100
    info = DatasetInfo(name="halves", split=split, n=n, class_names=("left", "right"), sha256=f"{n:064d}")
    return Pictures(info=info, images=images, labels=labels)


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Where torch is: cards and recipes do without."""
    try:
        import torch
    except ModuleNotFoundError:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def recipe() -> TrainingRecipe:
    return TrainingRecipe(
        network="lenet5",
        epochs=3,
        batch=16,
        optimizer="sgd",
        peak_rate=0.02,
        warmup=0.25,
        weight_decay=1e-3,
        crop_padding=1,
        light=0.1,
    )


@pytest.fixture
def make_job(recipe: TrainingRecipe, tmp_path: Path) -> Callable[..., Any]:
    """Make a job on 70 tiny training pictures: four steps an epoch and a partial batch that is dropped."""
    training = pytest.importorskip("compress_onnx.zoo.training")

    def make(folder: str = "model", **changes: Any) -> Any:
        return training.TrainingJob(
            recipe=dataclasses.replace(recipe, **changes),
            train_set=pictures(70, split="train"),
            test_set=pictures(30, split="test"),
            folder=tmp_path / folder,
        )

    return make
