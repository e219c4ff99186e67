"""Parity: a fraction of the logit range, and an error beyond one ten-thousandth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402  # only where torch is

from compress_onnx.errors import ParityError  # noqa: E402  # after the skip
from compress_onnx.torch_export.parity import check_parity, relative_deviation  # noqa: E402  # only where torch is

Images = NDArray[np.float32]
IMAGES = np.random.default_rng(0).standard_normal((9, 3, 8, 8), dtype=np.float32)


def answering(change: Callable[[Images], Images], module: nn.Module) -> Callable[[Images], Images]:
    def run(images: Images) -> Images:
        with torch.inference_mode():
            return change(module.eval()(torch.from_numpy(images)).numpy().copy())

    return run


@pytest.fixture
def plain() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 5))


def test_equal_answers_deviate_by_nothing(plain: nn.Module) -> None:
    assert check_parity(plain, answering(lambda logits: logits, plain), IMAGES, where="x") == 0.0


def test_a_small_deviation_is_measured_by_the_range(plain: nn.Module) -> None:
    def shifted(logits: Images) -> Images:
        logits[3, 2] += 5e-5 * np.ptp(logits)
        return logits

    assert check_parity(plain, answering(shifted, plain), IMAGES, where="x") == pytest.approx(5e-5, rel=0.05)


def spoil(logits: Images) -> Images:
    logits[3, 2] += 2e-4 * np.ptp(logits)
    return logits


@pytest.mark.parametrize("change", [spoil, lambda logits: logits * np.nan, lambda logits: -logits])
def test_a_large_deviation_is_an_error(plain: nn.Module, change: Callable[[Images], Images]) -> None:
    with pytest.raises(ParityError, match=r"within 0\.0001 of PyTorch's range, got a deviation of .*\(net\)"):
        check_parity(plain, answering(change, plain), IMAGES, where="net")


def test_another_shape_is_an_error(plain: nn.Module) -> None:
    with pytest.raises(ParityError, match=r"shape \(9, 5\), got shape \(9, 4\)"):
        check_parity(plain, answering(lambda logits: logits[:, :4], plain), IMAGES, where="net")


def test_every_part_returns_to_its_mode(small: nn.Module) -> None:
    small.bn.eval()
    with pytest.raises(ParityError):
        check_parity(small, lambda images: np.zeros((len(images), 5), np.float32), IMAGES, where="net")
    assert small.training
    assert not small.bn.training


def test_deviation_against_a_constant_answer_stays_a_number() -> None:
    flat = np.ones((2, 3), np.float32)
    assert relative_deviation(flat, flat) == 0.0
    assert relative_deviation(flat, flat + 1) > 1
    assert relative_deviation(flat[:0], flat[:0]) == 0.0
