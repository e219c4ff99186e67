from __future__ import annotations

import pytest

pytest.importorskip("torch")

from compress_onnx.errors import UnknownNameError  # only where torch is
from compress_onnx.zoo.networks import NETWORKS
from compress_onnx.zoo.recipe import recipe_for


@pytest.mark.parametrize("network", NETWORKS.names())
def test_every_network_has_a_recipe_for_any_data(network: str) -> None:
    recipe = recipe_for(network, "my own pictures")
    assert recipe.network == network
    assert recipe.mean is recipe.std is None
    assert not recipe.flip


def test_only_what_may_be_mirrored_is_flipped() -> None:
    assert {name: recipe_for("lenet5", name).flip for name in ("cifar10", "digits", "gtsrb")} == {
        "cifar10": True,
        "digits": False,
        "gtsrb": False,
    }


def test_resnet18_is_trained_as_its_checkpoints_were() -> None:
    cifar10, gtsrb = recipe_for("resnet18", "cifar10"), recipe_for("resnet18", "gtsrb")
    assert (cifar10.epochs, cifar10.peak_rate, cifar10.crop_padding) == (14, 0.1, 4)
    assert (gtsrb.epochs, gtsrb.peak_rate, gtsrb.crop_padding) == (7, 0.05, 2)
    for recipe in (cifar10, gtsrb):
        assert (recipe.optimizer, recipe.batch, recipe.weight_decay, recipe.warmup) == ("sgd", 128, 5e-4, 0.25)
        assert (recipe.bfloat16, recipe.label_smoothing, recipe.light, recipe.clip_norm) == (True, 0.0, 0.0, None)


def test_an_unknown_network() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean squeezenet\?"):
        recipe_for("squeezenet1_0", "cifar10")
