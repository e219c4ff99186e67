from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("captum")

from compress_onnx.saliency.floor_ceiling import HALF_GRAY_LEVEL, noise_amplitude, noisy, redrawn  # noqa: E402  # after the skips
from compress_onnx.saliency.twin import build_twin  # noqa: E402


@given(seed=st.integers(0, 1000))
def test_noise_stays_within_half_a_gray_level_of_its_channel(seed: int) -> None:
    amplitude = noise_amplitude([0.25, 0.5, 1.0])
    inputs = np.zeros((4, 3, 5, 5), np.float32)
    noise = noisy(inputs, amplitude, np.random.default_rng(seed))
    largest = np.abs(noise).max(axis=(0, 2, 3))
    assert (largest <= amplitude).all()
    assert (largest > 0.8 * amplitude).all()
    assert not inputs.any()


def test_noise_in_pixels_is_half_a_gray_level_whatever_the_deviation() -> None:
    std = np.array([0.2, 0.3])
    np.testing.assert_allclose(noise_amplitude(std) * std, HALF_GRAY_LEVEL, rtol=1e-6)


def test_noise_follows_the_channels_when_they_come_last() -> None:
    amplitude = np.array([0, 1], np.float32)
    noise = noisy(np.zeros((1, 3, 3, 2), np.float32), amplitude, np.random.default_rng(0), channel_axis=3)
    assert not noise[..., 0].any()
    assert noise[..., 1].any()


def test_re_drawn_weights_are_the_same_values_in_another_order_and_nothing_else_changes(small: Any) -> None:
    twin = build_twin(small.model)
    before = {name: values.clone() for name, values in twin.state_dict().items()}
    other = redrawn(twin, np.random.default_rng(0)).state_dict()
    moved = {name for name, values in other.items() if not torch.equal(values, before[name])}
    assert moved == {"_0_Conv.weight", "_3_Conv.weight", "_7_Gemm.weight"}
    for name in moved:
        assert torch.equal(other[name].flatten().sort().values, before[name].flatten().sort().values)
    assert all(torch.equal(values, before[name]) for name, values in twin.state_dict().items())


def test_weights_of_quantized_twins_are_re_drawn_too(quantized: Any) -> None:
    twin = build_twin(quantized)
    other = redrawn(twin, np.random.default_rng(0))
    weights = [(a, b) for a, b in zip(twin.parameters(), other.parameters(), strict=True) if a.ndim > 1]
    assert len(weights) == 3
    assert not any(torch.equal(a, b) for a, b in weights)


def test_the_same_seed_draws_the_same_weights(small: Any) -> None:
    twin = build_twin(small.model)
    first, second = (redrawn(twin, np.random.default_rng(3)).state_dict() for _ in range(2))
    assert all(torch.equal(values, second[name]) for name, values in first.items())
