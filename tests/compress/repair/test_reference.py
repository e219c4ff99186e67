"""What a baseline does on calibration images: measured once, by images that measure or judge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from compress_onnx.compress.calibration.image_pool import ImagePool
from compress_onnx.compress.layers.repairable import repairable_nodes
from compress_onnx.compress.pruning.prune import PruneOptions, prune_model
from compress_onnx.compress.repair.corrections import repairable_layers
from compress_onnx.compress.repair.reference import Reference, judged_outputs, referenced
from compress_onnx.errors import DataError

MakeModel = Callable[..., onnx.ModelProto]
Seen = Callable[[onnx.ModelProto, list[str], NDArray[np.float32]], list[NDArray[np.float32]]]


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng((seed, *shape)).normal(0, 0.5, shape).astype(np.float32)


def pruned(model: onnx.ModelProto, sparsity: float = 0.5) -> onnx.ModelProto:
    return prune_model(model, PruneOptions(sparsity=sparsity, scope="layer"))


def test_outputs_are_those_of_the_images_that_judge_and_computed_once(
    convnet: onnx.ModelProto, pictures: NDArray[np.float32], pool: ImagePool, seen: Seen
) -> None:
    reference = Reference(convnet, pool)
    # Every fourth image judges.
    expected = seen(convnet, ["logits"], pictures[3::4])[0]
    assert expected.shape == (24, 5)
    np.testing.assert_allclose(reference.outputs, expected, rtol=1e-5, atol=1e-6)
    assert reference.outputs is reference.outputs


def test_inputs_are_second_moments_of_what_the_layers_see_while_measuring(
    convnet: onnx.ModelProto, pictures: NDArray[np.float32], pool: ImagePool, seen: Seen
) -> None:
    measuring = np.delete(pictures, np.s_[3::4], axis=0)
    rows = seen(convnet, ["f"], measuring)[0].astype(np.float64)
    found = Reference(convnet, pool).inputs
    assert {name: value.shape for name, value in found.items()} == {
        "w1": (1, 27, 27),
        "w2": (4, 18, 18),
        "w3": (1, 8, 8),
    }
    np.testing.assert_allclose(found["w3"][0], rows.T @ rows / len(rows), rtol=1e-3)


def test_layers_too_wide_for_their_moments_are_left_out(
    convnet: onnx.ModelProto, pool: ImagePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for widest, expected in ((26, {"w2", "w3"}), (27, {"w1", "w2", "w3"}), (7, set())):
        monkeypatch.setattr("compress_onnx.compress.repair.reference.WIDEST", widest)
        assert set(Reference(convnet, pool).inputs) == expected


def test_layers_are_measured_once_and_count_as_seen_every_time(layered: MakeModel, pool: ImagePool) -> None:
    model = layered()
    reference, counts = Reference(model, pool), list[int]()
    layers = repairable_layers(repairable_nodes(reference.model))
    first = reference.layers(layers, 30, seen=counts.append)
    assert counts == [24, 24, 24]
    assert reference.layers(layers, 30, seen=counts.append) is first
    assert sum(counts) == 2 * pool.size(judging=False) == 144
    assert set(reference.layers(layers[:2], 30, seen=counts.append)) == {"c", "t"}


@pytest.mark.parametrize("batch", [1, "batch"])
def test_a_file_of_fixed_batch_judges_like_a_free_one(
    make_model: MakeModel, pictures: NDArray[np.float32], pool: ImagePool, batch: int | str
) -> None:
    nodes = [helper.make_node("Flatten", ["input"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["logits"])]
    weight = normal(192, 5)
    found = judged_outputs(make_model(nodes, {"w": weight}, batch=batch), pool)
    np.testing.assert_allclose(found, pictures[3::4].reshape(24, -1) @ weight, rtol=1e-4, atol=1e-4)


def test_images_are_asked_for_once_and_their_file_is_gone_afterwards(
    convnet: onnx.ModelProto, pictures: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    asked: list[int] = []

    def batches() -> list[NDArray[np.float32]]:
        asked.append(1)
        return [pictures]

    with referenced(convnet, batches) as reference:
        assert reference.outputs.shape == (24, 5)
        assert reference.inputs
        assert reference.given is convnet
        assert len(list(tmp_path.iterdir())) == 1
    assert (asked, list(tmp_path.iterdir())) == ([1], [])


@pytest.mark.parametrize(("count", "value"), [(7, 0.0), (9, np.nan)])
def test_images_that_cannot_measure_are_refused_and_leave_nothing(
    convnet: onnx.ModelProto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, value: float
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    images = np.full((count, 3, 8, 8), value, np.float32)
    with pytest.raises(DataError, match="calibration"), referenced(convnet, lambda: [images]):
        pass
    assert list(tmp_path.iterdir()) == []
