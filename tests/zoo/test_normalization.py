from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

from compress_onnx.zoo.networks import build  # noqa: E402  # only where torch is
from compress_onnx.zoo.normalization import NormalizedConv2d, with_batch_norm, without_batch_norm  # noqa: E402


@pytest.mark.parametrize("network", ["lenet5", "squeezenet"])
def test_folding_gives_the_original_network_with_the_trained_outputs(network: str) -> None:
    torch.manual_seed(0)
    original = build(network, 7)
    trained = with_batch_norm(original)
    images = torch.randn(16, 3, 32, 32)
    for _ in range(3):  # the running statistics leave their first values
        trained(3 * images + 1)
    for layer in trained.modules():
        if isinstance(layer, NormalizedConv2d):
            torch.nn.init.uniform_(layer.norm.weight, 0.5, 2)
            torch.nn.init.uniform_(layer.norm.bias, -1, 1)
    folded = without_batch_norm(trained)
    assert {n: t.shape for n, t in folded.state_dict().items()} == {
        n: t.shape for n, t in original.state_dict().items()
    }
    expected = trained.eval()(images)
    assert expected.abs().max() > 0.01
    torch.testing.assert_close(folded(images), expected, rtol=1e-4, atol=1e-5)


def test_every_convolution_is_normalized_and_the_given_network_left_alone() -> None:
    original = build("squeezenet", 7)
    normalized = with_batch_norm(original)
    convolutions = [layer for layer in original.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert len(convolutions) == 26
    assert sum(isinstance(layer, NormalizedConv2d) for layer in normalized.modules()) == 26
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in original.modules())


def test_a_network_without_convolutions_stays_as_it_is() -> None:
    linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    images = torch.randn(3, 1, 2, 2)
    torch.testing.assert_close(without_batch_norm(with_batch_norm(linear))(images), linear(images))
