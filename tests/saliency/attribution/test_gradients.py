"""Gradient methods against plain autograd and the properties their papers state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("captum")
from compress_onnx.saliency.attribution.gradients import (  # noqa: E402
    NOISE,
    NOISY_COPIES,
    gradient,
    input_x_gradient,
    integrated_gradients,
    smoothgrad,
)
from compress_onnx.saliency.attribution.maps import batch_maps, seeded  # noqa: E402
from compress_onnx.saliency.twin import build_twin  # noqa: E402


def targets_of(n: int) -> Any:
    return np.arange(n) % 5


def signed(module: Any, images: Any, targets: Any) -> Any:
    """Input gradients by plain autograd."""
    leaf = torch.as_tensor(images).clone().requires_grad_()
    chosen = module(leaf).gather(1, torch.from_numpy(targets)[:, None]).sum()
    return torch.autograd.grad(chosen, leaf)[0].numpy()


def as_map(values: Any) -> Any:
    return np.abs(values).max(axis=1)


def assert_close(got: Any, expected: Any) -> None:
    np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())


def naive(module: Any, image: Any, target: int) -> Any:
    """The map of one image, one backward pass of its own, through the original module."""
    leaf = torch.from_numpy(image[None]).requires_grad_()
    module(leaf)[0, target].backward()
    return leaf.grad[0].abs().numpy().max(axis=0)


def test_gradient_is_that_of_one_image_at_a_time(small: Any) -> None:
    targets = targets_of(40)
    got = batch_maps(gradient, build_twin(small.model), small.images, targets)
    assert_close(got, np.stack([naive(small.module, image, t) for image, t in zip(small.images, targets, strict=True)]))


def test_a_whole_batch_takes_one_backward_pass(small: Any) -> None:
    twin = build_twin(small.model)
    passes: list[int] = []
    twin.get_submodule("_0_Conv").register_full_backward_hook(lambda *_: passes.append(1))
    batch_maps(gradient, twin, small.images, targets_of(40))
    assert passes == [1]


def test_input_x_gradient_is_the_product(small: Any) -> None:
    images, targets = small.images[:5], targets_of(5)
    got = batch_maps(input_x_gradient, build_twin(small.model), images, targets)
    assert_close(got, as_map(images * signed(small.module, images, targets)))


def test_smoothgrad_is_the_mean_gradient_of_the_same_noisy_copies(small: Any) -> None:
    images, targets = torch.from_numpy(small.images[:3]), targets_of(3)
    patterns = torch.randn((NOISY_COPIES, 3, 12, 12), generator=torch.Generator().manual_seed(5))
    spread = NOISE * (images.amax((1, 2, 3), keepdim=True) - images.amin((1, 2, 3), keepdim=True))
    expected = np.mean([signed(small.module, images + spread * one, targets) for one in patterns], axis=0)
    got = batch_maps(seeded(smoothgrad, 5), build_twin(small.model), images.numpy(), targets)
    assert_close(got, as_map(expected))
    other = batch_maps(seeded(smoothgrad, 6), build_twin(small.model), images.numpy(), targets)
    assert np.abs(got - other).max() > 0.01 * got.max()


def test_integrated_gradients_sum_to_what_the_logit_gained_from_the_mean_color(small: Any) -> None:
    images, targets = torch.from_numpy(small.images[:8]), torch.from_numpy(targets_of(8))
    twin = build_twin(small.model)
    found = integrated_gradients(twin, images, targets)
    gained = (twin(images) - twin(torch.zeros_like(images))).gather(1, targets[:, None])[:, 0]
    np.testing.assert_allclose(found.sum(dim=(1, 2, 3)), gained, atol=0.05 * float(gained.abs().max()))
