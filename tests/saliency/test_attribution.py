from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("captum")

from compress_onnx import extension_points  # noqa: E402  # after the skips
from compress_onnx.errors import DataError, ModelError, PluginError, UnknownNameError  # noqa: E402
from compress_onnx.registry import Registry  # noqa: E402
from compress_onnx.saliency.attribution import attribute, batch_maps, gradient  # noqa: E402
from compress_onnx.saliency.batching import BATCH, filled, slices  # noqa: E402
from compress_onnx.saliency.twin import build_twin  # noqa: E402


@pytest.fixture
def methods(monkeypatch: pytest.MonkeyPatch) -> Registry[Any]:
    registry: Registry[Any] = Registry("attribution method")
    registry.add("gradient", lambda: gradient)
    monkeypatch.setattr("compress_onnx.saliency.attribution.attributions", lambda: registry)
    return registry


def naive(module: Any, image: Any, target: int) -> Any:
    """The map of one image, one backward pass of its own, through the original module."""
    leaf = torch.from_numpy(image[None]).requires_grad_()
    module(leaf)[0, target].backward()
    return leaf.grad[0].abs().numpy().max(axis=0)


def test_maps_are_those_of_the_original_module_one_image_at_a_time(small: Any, methods: Any) -> None:
    targets = np.arange(40) % 5
    batches = [small.images[:16], small.images[16:32], small.images[32:]]
    got = attribute("gradient", build_twin(small.model), batches, targets)
    expected = np.stack(
        [naive(small.module, image, target) for image, target in zip(small.images, targets, strict=False)]
    )
    assert got.dtype == np.float32
    assert np.abs(got - expected).max() / expected.max() < 1e-3


def test_a_whole_batch_takes_one_backward_pass(small: Any, methods: Any) -> None:
    twin = build_twin(small.model)
    passes: list[int] = []
    twin.get_submodule("_0_Conv").register_full_backward_hook(lambda *_: passes.append(1))
    attribute("gradient", twin, [small.images], np.zeros(40, np.int64))
    assert passes == [1]


def test_the_built_in_method_enters_by_its_entry_point() -> None:
    registry = extension_points.attributions()
    if "gradient" not in registry:
        pytest.skip("the package is not installed, so it has no entry points")
    assert registry["gradient"] is gradient


def test_an_unknown_method_is_answered_with_near_names(methods: Any) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean gradient"):
        attribute("gradients", torch.nn.Identity(), [], np.zeros(0, np.int64))


def test_channels_are_reduced_by_the_largest_absolute_value() -> None:
    attribution = torch.tensor([[[[1.0]], [[-3.0]], [[2.0]]]])
    batch = np.zeros((1, 3, 1, 1), np.float32)
    assert batch_maps(lambda *_: attribution, torch.nn.Identity(), batch, np.zeros(1, np.int64)).tolist() == [[[3.0]]]


def test_channels_may_come_last() -> None:
    batch = np.array([[[[1.0, -4.0]]]], np.float32)
    maps = batch_maps(lambda _, inputs, __: inputs, torch.nn.Identity(), batch, np.zeros(1, np.int64), channel_axis=3)
    assert maps.tolist() == [[[4.0]]]


def test_a_dead_network_has_maps_of_zero(methods: Any) -> None:
    dead = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2), torch.nn.ReLU())
    torch.nn.init.constant_(dead[1].weight, 0.0)
    torch.nn.init.constant_(dead[1].bias, -1.0)
    maps = attribute("gradient", dead, [np.ones((3, 1, 2, 2), np.float32)], np.zeros(3, np.int64))
    assert maps.shape == (3, 2, 2)
    assert not maps.any()


def test_nan_gradients_are_refused() -> None:
    broken = torch.full((2, 1, 1, 1), torch.nan)
    with pytest.raises(ModelError, match=r"finite attributions.*2 of 2 samples"):
        batch_maps(lambda *_: broken, torch.nn.Identity(), np.zeros((2, 1, 1, 1), np.float32), np.zeros(2, np.int64))


def test_a_plug_in_that_returns_another_shape_is_named_as_such() -> None:
    with pytest.raises(PluginError, match=r"shape \(2, 1, 1, 1\), got \(2,\)"):
        batch_maps(
            lambda *_: torch.zeros(2), torch.nn.Identity(), np.zeros((2, 1, 1, 1), np.float32), np.zeros(2, np.int64)
        )


@pytest.mark.parametrize("targets", [39, 41])
def test_every_sample_needs_a_target(small: Any, methods: Any, targets: int) -> None:
    with pytest.raises(DataError, match=f"{targets} targets for 40 samples"):
        attribute("gradient", build_twin(small.model), [small.images], np.zeros(targets, np.int64))


def test_no_samples_have_no_maps(methods: Any) -> None:
    assert attribute("gradient", torch.nn.Identity(), [], np.zeros(0, np.int64)).shape == (0, 0, 0)


def test_the_callers_images_are_left_alone(small: Any) -> None:
    images = torch.from_numpy(small.images[:2].copy())
    gradient(small.module, images, torch.zeros(2, dtype=torch.int64))
    assert not images.requires_grad
    assert images.grad is None


def test_batches_cover_all_rows_once() -> None:
    rows = [row for part in slices(2 * BATCH + 3, torch.nn.Identity()) for row in range(part.start, part.stop)]
    assert rows == list(range(2 * BATCH + 3))
    assert list(slices(0, torch.nn.Identity())) == []


def test_a_batch_is_filled_up_to_the_size_a_file_was_fixed_to() -> None:
    module = torch.nn.Identity()
    module.meta = {"fixed_batch": 4}
    assert filled(np.array([1, 2]), module).tolist() == [1, 2, 2, 2]
    assert list(slices(6, module)) == [slice(0, 4), slice(4, 6)]
