"""Mixed widths: few layers stay at 8 bits, those that the output says, and the recipe tells why."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from scipy.stats import entropy

from compress_onnx.compress.layers.layout import plain_name, with_weights
from compress_onnx.compress.quantization.mixed import divergence, mixed_model, outputs, sensitivities
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.quantize import compress
from compress_onnx.errors import DataError, OptionError
from compress_onnx.model.census.census import weights
from compress_onnx.model.files import model_bytes, model_sha256
from compress_onnx.model.metadata import read_embedded

Images = NDArray[np.float32]
OPTIONS = QuantizeOptions(cpu="x86-64-vnni", weights="mixed")


@pytest.fixture(scope="module")
def many() -> Images:
    """Return (96, 3, 8, 8) float32."""
    return np.random.default_rng(8).normal(size=(96, 3, 8, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def delicate(convnet: onnx.ModelProto) -> onnx.ModelProto:
    """Return a network whose last layer has one large weight per channel, on an input that is hardly there."""
    plain = {tensor.name: numpy_helper.to_array(tensor).copy() for tensor in convnet.graph.initializer}
    plain["w3"][:, 0] = 10
    plain["w2"][0] *= 1e-3
    plain["b2"][0] *= 1e-3
    copy = onnx.ModelProto()
    copy.CopyFrom(convnet)
    for tensor in copy.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(plain[tensor.name], tensor.name))
    return copy


def bits(model: onnx.ModelProto) -> dict[str, int]:
    return {plain_name(weight.name.removesuffix("_quantized")): weight.bits for weight in weights(model)}


def facts(model: onnx.ModelProto) -> dict[str, Any]:
    return dict(read_embedded(model).recipe[-1].options)


def test_a_wide_bound_keeps_four_bits_everywhere(convnet: onnx.ModelProto, many: Images) -> None:
    result = mixed_model(convnet, lambda: [many], OPTIONS, max_drop=0.99)
    assert set(bits(result).values()) == {4}
    assert facts(result)["stayed_int8"] == []
    assert facts(result)["within_max_drop"] is True


def test_an_impossible_bound_ends_at_eight_bits_and_says_so(
    delicate: onnx.ModelProto, many: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = outputs(delicate, [many]).argmax(axis=1)
    monkeypatch.setattr("compress_onnx.compress.quantization.mixed._Loss.of", lambda self, candidate: 0.25)
    result = mixed_model(delicate, lambda: [many], OPTIONS, labels=labels, max_drop=0.2)
    assert set(bits(result).values()) == {8}
    found = facts(result)
    assert len(found["stayed_int8"]) == 3
    assert (found["drop"], found["within_max_drop"]) == (0.25, False)


def test_the_layer_that_cannot_bear_it_stays(delicate: onnx.ModelProto, many: Images) -> None:
    options = QuantizeOptions(cpu="x86-64-vnni", rounding="nearest")
    all_four = facts(mixed_model(delicate, lambda: [many], options, max_drop=0.99))
    result = mixed_model(delicate, lambda: [many], options, max_drop=all_four["drop"] / 2)
    found = facts(result)
    kept = [name for name, width in bits(result).items() if width == 8]
    assert kept == ["w3"]
    assert all_four["drop"] > 0.1
    assert sorted(found["keep_int8"]) == sorted(kept)
    assert found["drop"] < all_four["drop"]
    assert found["within_max_drop"] is True
    assert [reason.partition(":")[0] for reason in found["stayed_int8"]] == found["keep_int8"]
    assert all("nats for" in reason for reason in found["stayed_int8"])


def test_layers_stay_in_the_order_of_their_harm_per_byte(delicate: onnx.ModelProto, many: Images) -> None:
    found = facts(mixed_model(delicate, lambda: [many], OPTIONS, max_drop=0.0))
    harm = []
    for reason in found["stayed_int8"]:
        words = reason.split()
        harm.append(float(words[words.index("by") + 1]) / float(words[words.index("for") + 1]))
    assert harm == sorted(harm, reverse=True)


def test_labels_make_it_a_loss_of_accuracy(convnet: onnx.ModelProto, many: Images) -> None:
    labels = outputs(convnet, [many]).argmax(axis=1)
    flips = facts(mixed_model(convnet, lambda: [many], OPTIONS, max_drop=0.99))
    loss = facts(mixed_model(convnet, lambda: [many], OPTIONS, labels=labels, max_drop=0.99))
    assert (flips["drop_of"], loss["drop_of"]) == ("predictions", "accuracy")
    assert loss["drop"] == pytest.approx(flips["drop"])
    with pytest.raises(DataError, match="96 labels, one per calibration image, got 95"):
        mixed_model(convnet, lambda: [many], OPTIONS, labels=labels[:-1])


def test_a_chosen_layer_stays_anyway(convnet: onnx.ModelProto, many: Images) -> None:
    chosen = QuantizeOptions(cpu="x86-64-vnni", keep_int8=("w2",))
    result = mixed_model(convnet, lambda: [many], chosen, max_drop=0.99)
    assert bits(result) == {"w1": 4, "w2": 8, "w3": 4}
    assert (facts(result)["keep_int8"], facts(result)["stayed_int8"]) == (["w2"], [])


def test_divergence_is_that_of_scipy() -> None:
    logits = np.random.default_rng(1).normal(size=(2, 30, 5))
    p, q = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    assert divergence(*logits) == pytest.approx(entropy(p, q, axis=1).mean())


def test_a_layer_is_judged_alone(convnet: onnx.ModelProto, many: Images) -> None:
    plain = {t.name: numpy_helper.to_array(t) for t in convnet.graph.initializer}
    other = with_weights(convnet, {"w2": plain["w2"] * np.float32(0.5), "w3": plain["w3"] * np.float32(1.5)})
    found = {layer.name: layer for layer in sensitivities(convnet, other, [many], ("w1", "w2", "w3"))}
    only = with_weights(convnet, {"w2": plain["w2"] * np.float32(0.5)})
    assert found["w1"].divergence == pytest.approx(0, abs=1e-9)
    assert found["w2"].divergence == pytest.approx(divergence(outputs(convnet, [many]), outputs(only, [many])))
    assert found["w3"].saved_bytes == plain["w3"].size // 2


def test_bytes_repeat_and_the_argument_stays(convnet: onnx.ModelProto, many: Images) -> None:
    before = model_bytes(convnet)
    batches = [many[:50], many[50:]]
    result = mixed_model(convnet, lambda: iter(batches), OPTIONS, max_drop=0.05)
    assert model_bytes(convnet) == before
    assert read_embedded(result).parent_sha256 == model_sha256(convnet)
    assert model_bytes(result) == model_bytes(
        compress(convnet, {"cpu": "x86-64-vnni", "weights": "mixed", "max_drop": 0.05}, lambda: [many])
    )


def test_bounds_and_images_are_checked(convnet: onnx.ModelProto) -> None:
    with pytest.raises(OptionError, match=r"max-drop at least 0\.0 and below 1\.0"):
        mixed_model(convnet, list, OPTIONS, max_drop=1.0)
    with pytest.raises(DataError, match="at least one calibration image"):
        mixed_model(convnet, list, OPTIONS)
