"""What a task says is explained, and with which numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("captum")
from compress_onnx.saliency.task import SaliencyTask, in_batches  # noqa: E402
from compress_onnx.saliency.twin import build_twin  # noqa: E402


def targets_of(n: int) -> Any:
    return np.arange(n) % 5


def test_the_tasks_seed_is_that_of_a_method_that_draws(small: Any) -> None:
    images, targets = small.images[:3], targets_of(3)
    twin = build_twin(small.model)
    one, same, other = (
        SaliencyTask(
            batches=in_batches(images),
            targets=targets,
            target="baseline",
            method="smoothgrad",
            noise_amplitude=np.zeros(3, np.float32),
            seed=seed,
        ).explain(twin, images, slice(0, 3))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
