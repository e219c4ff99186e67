"""Repair without labels: what it reaches, what it leaves alone, and that it knows when not to act."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compress_onnx.compress.calibration.image_pool import ImagePool
from compress_onnx.compress.pruning.prune import PruneOptions, prune_model
from compress_onnx.compress.repair.repair import repaired
from compress_onnx.errors import DataError, ModelError
from compress_onnx.model.census.prunable import prunable_initializers
from compress_onnx.model.files import model_bytes

MakeModel = Callable[..., onnx.ModelProto]
Seen = Callable[[onnx.ModelProto, list[str], NDArray[np.float32]], list[NDArray[np.float32]]]
CLASSES = 5


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng((seed, *shape)).normal(0, 0.5, shape).astype(np.float32)


def arrays(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def pruned(model: onnx.ModelProto, sparsity: float = 0.5) -> onnx.ModelProto:
    return prune_model(model, PruneOptions(sparsity=sparsity, scope="layer"))


def test_repairing_what_lost_nothing_changes_no_logit(
    convnet: onnx.ModelProto, pictures: NDArray[np.float32], seen: Seen
) -> None:
    outcome = repaired(convnet, convnet, lambda: [pictures])
    assert outcome.strength == 0.0
    assert (outcome.kl_before, outcome.kl_after, outcome.flips_after) == (0.0, 0.0, 0.0)
    assert outcome.n == 24
    np.testing.assert_array_equal(seen(outcome.model, ["logits"], pictures)[0], seen(convnet, ["logits"], pictures)[0])
    assert all((ratio == 1).all() for ratio in outcome.ratios.values())


@settings(max_examples=15)
@given(sparsity=st.floats(0, 0.95), seed=st.integers(0, 99))
def test_zeros_stay_zero_and_divergence_never_grows(
    convnet: onnx.ModelProto, pictures: NDArray[np.float32], sparsity: float, seed: int
) -> None:
    candidate = prune_model(convnet, PruneOptions(sparsity=round(sparsity, 2)))
    order = np.random.default_rng(seed).permutation(len(pictures))
    outcome = repaired(convnet, candidate, lambda: [pictures[order]])
    assert outcome.kl_after <= outcome.kl_before
    old, new = arrays(candidate), arrays(outcome.model)
    for name in prunable_initializers(candidate):
        np.testing.assert_array_equal(old[name] == 0, new[name] == 0)


def test_ratios_are_what_the_rows_were_multiplied_by(layered: MakeModel, pictures: NDArray[np.float32]) -> None:
    model = layered()
    candidate = pruned(model, 0.6)
    outcome = repaired(model, candidate, lambda: [pictures])
    assert outcome.strength > 0
    assert outcome.kl_after < outcome.kl_before
    assert set(outcome.ratios) == {"w1", "wt", "wd", "wg", "wm", "wa"}
    old, new, ratios = arrays(candidate), arrays(outcome.model), outcome.ratios
    for name in ("w1", "wd"):
        np.testing.assert_allclose(new[name], old[name] * ratios[name][:, None, None, None], rtol=1e-5)
    for name in ("wg", "wm", "wa"):
        np.testing.assert_allclose(new[name], old[name] * ratios[name], rtol=1e-5)
    # ConvTranspose in two groups: input rows 0 to 2 give outputs 0 and 1, rows 3 to 5 outputs 2 and 3.
    by_row = np.repeat(ratios["wt"].reshape(2, 2), 3, axis=0)
    np.testing.assert_allclose(new["wt"], old["wt"] * by_row[:, :, None, None], rtol=1e-5)


def test_the_arguments_are_not_mutated(convnet: onnx.ModelProto, pictures: NDArray[np.float32]) -> None:
    candidate = pruned(convnet, 0.8)
    before = model_bytes(convnet), model_bytes(candidate)
    repaired(convnet, candidate, lambda: [pictures])
    assert (model_bytes(convnet), model_bytes(candidate)) == before


def test_the_outcome_does_not_depend_on_how_the_images_come(
    convnet: onnx.ModelProto, pictures: NDArray[np.float32]
) -> None:
    candidate = pruned(convnet, 0.8)
    at_once = repaired(convnet, candidate, lambda: [pictures])
    in_parts = repaired(convnet, candidate, lambda: (pictures[i : i + 7] for i in range(0, 96, 7)))
    assert model_bytes(at_once.model) == model_bytes(in_parts.model)


def test_shared_weights_are_left_alone(make_model: MakeModel, pictures: NDArray[np.float32]) -> None:
    nodes = [
        helper.make_node("Conv", ["input", "w"], ["c1"], pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w"], ["c2"], pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["c2"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "wf", "b"], ["logits"]),
    ]
    model = make_model(nodes, {"w": normal(3, 3, 3, 3), "wf": normal(3, 5), "b": normal(5)})
    candidate = pruned(model)
    outcome = repaired(model, candidate, lambda: [pictures])
    assert set(outcome.ratios) == {"wf"}
    np.testing.assert_array_equal(arrays(outcome.model)["w"], arrays(candidate)["w"])


def test_class_ordered_images_give_batches_like_the_whole(tmp_path: Path) -> None:
    ordered = np.repeat(np.arange(4, dtype=np.float32), 64)[:, None, None, None]
    pool = ImagePool([ordered], tmp_path / "images")
    batches = list(pool.batches(48, judging=False))
    assert [len(batch) for batch in batches] == [48] * 4
    assert [float(batch.mean()) for batch in batches] == pytest.approx([1.5] * 4, abs=0.05)
    judges = np.concatenate(list(pool.batches(10, judging=True)))
    assert len(judges) == pool.size(judging=True) == 64
    assert float(judges.mean()) == 1.5


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "at least 8 calibration images, got 0"),
        ([np.zeros((7, 3, 8, 8), np.float32)], "at least 8 calibration images, got 7"),
        ([np.full((9, 3, 8, 8), np.nan, np.float32)], "finite calibration inputs"),
        ([np.zeros((9, 3, 8, 8))], "float32 calibration images of rank 4, got float64"),
        ([np.zeros((9, 3, 8, 8), np.float32), np.zeros((9, 3, 4, 8), np.float32)], r"images of shape \(3, 8, 8\)"),
    ],
)
def test_images_that_cannot_measure_are_refused(
    convnet: onnx.ModelProto, batches: list[NDArray[Any]], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        repaired(convnet, convnet, lambda: batches)


def test_images_of_other_channels_are_refused(convnet: onnx.ModelProto) -> None:
    with pytest.raises(ModelError, match="repair"):
        repaired(convnet, convnet, lambda: [np.zeros((9, 1, 8, 8), np.float32)])


def test_a_file_of_fixed_batch_is_repaired_too(make_model: MakeModel, pictures: NDArray[np.float32]) -> None:
    nodes = [
        helper.make_node("Flatten", ["input"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["logits"]),
    ]
    model = make_model(nodes, {"w": normal(192, 5), "b": normal(5)}, batch=1)
    outcome = repaired(model, pruned(model, 0.7), lambda: [pictures])
    assert outcome.model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
    assert outcome.kl_after < outcome.kl_before


def test_progress_goes_from_start_to_end(convnet: onnx.ModelProto, pictures: NDArray[np.float32]) -> None:
    told: list[float] = []
    repaired(convnet, pruned(convnet), lambda: [pictures], progress=lambda fraction, _: told.append(fraction))
    assert told == sorted(told)
    assert told[-1] == 1.0
