"""The maps of one model, or why there are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("captum")

from compress_onnx.errors import UnknownNameError  # noqa: E402  # after the skips
from compress_onnx.extension_points import attributions  # noqa: E402
from compress_onnx.saliency import batching  # noqa: E402
from compress_onnx.saliency.maps import explained_maps  # noqa: E402
from compress_onnx.saliency.task import SaliencyTask, in_batches  # noqa: E402

if "gradient" not in attributions():
    pytest.skip("the package is not installed, so it has no entry points", allow_module_level=True)

TARGETS = np.arange(10) % 5


def task_on(images: Any, *, method: str = "gradient") -> SaliencyTask:
    return SaliencyTask(
        batches=in_batches(images),
        targets=TARGETS,
        target="baseline",
        method=method,
        noise_amplitude=np.zeros(3, np.float32),
    )


@pytest.mark.parametrize("batch", [4, 32])
def test_maps_are_the_absolute_gradients_of_the_module_that_the_file_was_made_from(
    small: Any, runtime: Any, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "BATCH", batch)
    images = small.images[:10]
    maps = explained_maps(small.model, runtime(small.model, images), task_on(images))
    leaf = torch.from_numpy(images).requires_grad_()
    small.module(leaf).gather(1, torch.from_numpy(TARGETS)[:, None]).sum().backward()
    expected = leaf.grad.abs().amax(dim=1).numpy()
    assert isinstance(maps, np.ndarray)
    assert (maps.shape, maps.dtype) == ((10, 12, 12), np.float32)
    np.testing.assert_allclose(maps, expected, rtol=1e-3, atol=1e-4 * expected.max())


def test_a_twin_that_predicts_other_classes_explains_nothing(small: Any, runtime: Any) -> None:
    images = small.images[:10]
    others = np.roll(runtime(small.model, images), 1, axis=1)
    reason = explained_maps(small.model, others, task_on(images))
    assert isinstance(reason, str)
    assert "on 0.00% of 10 samples, 99.5% are needed" in reason


def test_an_operator_without_a_twin_is_a_reason(small: Any, runtime: Any) -> None:
    images = small.images[:10]
    other = onnx.ModelProto()
    other.CopyFrom(small.model)
    other.graph.node[1].op_type = "NonMaxSuppression"
    reason = explained_maps(other, runtime(small.model, images), task_on(images))
    assert isinstance(reason, str)
    assert "NonMaxSuppression (node '/1/Relu')" in reason


def test_a_layer_that_the_model_lacks_is_refused(small: Any, runtime: Any) -> None:
    images = small.images[:10]
    with pytest.raises(UnknownNameError):
        explained_maps(small.model, runtime(small.model, images), task_on(images, method="gradcam:no such layer"))
