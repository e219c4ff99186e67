"""Occlusion against a plain loop over squares, on the session itself."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("captum")
from compress_onnx.saliency.attribution.gradients import gradient  # noqa: E402
from compress_onnx.saliency.attribution.maps import batch_maps  # noqa: E402
from compress_onnx.saliency.attribution.perturbation import Deployed, explained_module, occlusion  # noqa: E402
from compress_onnx.saliency.twin import build_twin  # noqa: E402


def assert_close(got: Any, expected: Any) -> None:
    np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())


def occluded(predict: Any, image: Any, target: int, window: int, stride: int) -> Any:
    """Mean fall of a logit over all squares that cover a pixel, square by square."""
    side = image.shape[1]
    whole = predict(image[None])[0, target]
    falls, counts = np.zeros((side, side)), np.zeros((side, side))
    steps = -(-(side - window) // stride) + 1
    for row in range(steps):
        for column in range(steps):
            place = np.s_[row * stride : row * stride + window, column * stride : column * stride + window]
            covered = image.copy()
            covered[:, place[0], place[1]] = 0
            falls[place] += whole - predict(covered[None])[0, target]
            counts[place] += 1
    return np.abs(falls / counts)


def test_occlusion_is_the_fall_of_the_logit_on_the_session_itself(small: Any, quantized: Any, runtime: Any) -> None:
    rng = np.random.default_rng(0)
    big = rng.standard_normal((2, 3, 12, 12)).astype(np.float32)

    def predict(images: Any) -> Any:
        return runtime(quantized, images)

    asked = explained_module(occlusion, build_twin(quantized), predict)
    assert isinstance(asked, Deployed)
    got = batch_maps(occlusion, asked, big, np.array([3, 1]))
    expected = np.stack([occluded(predict, image, t, 1, 1) for image, t in zip(big, (3, 1), strict=True)])
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_squares_overlap_by_half_on_larger_pictures() -> None:
    image = np.random.default_rng(0).standard_normal((1, 32, 32)).astype(np.float32)
    weight = np.random.default_rng(1).standard_normal((1024, 2)).astype(np.float32)

    class Linear(torch.nn.Module):
        def forward(self, images: Any) -> Any:
            return images.flatten(1) @ torch.from_numpy(weight)

    got = batch_maps(occlusion, Linear(), image[None], np.array([1]))
    assert_close(got[0], occluded(lambda images: images.reshape(len(images), -1) @ weight, image, 1, 4, 2))


def test_only_methods_that_ask_for_it_run_on_the_session(small: Any) -> None:
    twin = build_twin(small.model)
    assert explained_module(gradient, twin, lambda images: images) is twin
    assert explained_module(occlusion, twin, None) is twin


def test_a_copy_of_the_deployed_file_is_the_twin_whose_weights_can_be_changed(small: Any) -> None:
    copied = copy.deepcopy(Deployed(lambda images: images, build_twin(small.model)))
    assert sum(parameter.ndim >= 2 for parameter in copied.parameters()) == 3
