"""Kept weights that make up for pruned ones: against plain least squares, and what they may not touch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compress_onnx.compress.calibration.image_pool import ImagePool
from compress_onnx.compress.layers.layout import weight_values, with_weights
from compress_onnx.compress.pruning.prune import PruneOptions, prune_model
from compress_onnx.compress.repair import repair as repair_module
from compress_onnx.compress.repair.reconstruction import _DAMPING, reconstructed, reconstructed_rows
from compress_onnx.compress.repair.reference import Reference
from compress_onnx.compress.repair.repair import repaired_towards
from compress_onnx.model.files import model_bytes
from compress_onnx.ort.tensors import tensor_runner

MakeModel = Callable[..., onnx.ModelProto]


def inputs(rng: np.random.Generator, n: int = 200, d: int = 12) -> NDArray[np.float64]:
    """Return inputs (n, d) that go together, as those of a layer do."""
    return np.asarray(rng.normal(size=(n, d)) @ rng.normal(size=(d, d)))


@given(seed=st.integers(0, 10_000), share=st.floats(0, 1))
def test_rows_are_those_of_damped_least_squares(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    x, rows = inputs(rng), rng.normal(size=(5, 12))
    kept = rng.random(rows.shape) < share
    moments = x.T @ x / len(x)
    found = reconstructed_rows(rows, kept, moments)
    assert (found[~kept] == 0).all()
    # Damping is as good as further inputs: one for each weight, alone, of that second moment.
    room = np.sqrt(_DAMPING * np.diagonal(moments).mean() * len(x))
    seen = np.concatenate([x, room * np.eye(12)])
    for row, mask, new in zip(rows, kept, found, strict=True):
        best = np.linalg.lstsq(seen[:, mask], seen @ row, rcond=None)[0]
        error = [float(np.square(seen @ row - seen[:, mask] @ w).sum()) for w in (best, new[mask], row[mask])]
        assert error[1] <= error[0] * 1.01 + 1e-6 * error[2] + 1e-9


def test_a_row_that_keeps_all_stays_and_one_that_keeps_nothing_is_zero() -> None:
    rng = np.random.default_rng(0)
    rows, kept = rng.normal(size=(2, 12)).astype(np.float32), np.array([[True] * 12, [False] * 12])
    found = reconstructed_rows(rows, kept, inputs(rng).T @ inputs(rng))
    np.testing.assert_array_equal(found[0], rows[0])
    assert not found[1].any()


def test_inputs_that_are_always_zero_move_nothing() -> None:
    rows = np.array([[1.0, 2.0, 3.0]], np.float32)
    found = reconstructed_rows(rows, np.array([[True, False, True]]), np.zeros((3, 3)))
    np.testing.assert_array_equal(found, [[1.0, 0.0, 3.0]])


@pytest.fixture(scope="module")
def pictures() -> NDArray[np.float32]:
    """Return (96, 3, 8, 8) float32 whose neighbors resemble each other."""
    noise = np.random.default_rng(3).normal(0.4, 1.0, (96, 3, 11, 11)).astype(np.float32)
    return np.ascontiguousarray(sum(noise[:, :, i : i + 8, j : j + 8] for i in range(4) for j in range(4)) / 4)


@pytest.fixture
def pool(pictures: NDArray[np.float32], tmp_path: Path) -> ImagePool:
    return ImagePool([pictures], tmp_path / "images")


def arrays(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def normal(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(shape).normal(0, 0.5, shape).astype(np.float32)


@pytest.fixture
def network(make_model: MakeModel) -> onnx.ModelProto:
    """Grouped Conv, ConvTranspose, Gemm without transB and MatMul."""
    nodes = [
        helper.make_node("Conv", ["input", "wc", "bc"], ["c"], group=3, pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["rc"]),
        helper.make_node("ConvTranspose", ["rc", "wt"], ["t"]),
        helper.make_node("GlobalAveragePool", ["t"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "wg", "bg"], ["g"]),
        helper.make_node("Relu", ["g"], ["rg"]),
        helper.make_node("MatMul", ["rg", "wm"], ["logits"]),
    ]
    tensors = {
        "wc": normal(12, 1, 3, 3),
        "bc": normal(12),
        "wt": normal(12, 16, 3, 3),
        "wg": normal(16, 24),
        "bg": normal(24),
        "wm": normal(24, 5),
    }
    return make_model(nodes, tensors)


def layer_error(network: onnx.ModelProto, candidate: onnx.ModelProto, images: NDArray[np.float32]) -> float:
    """Return the mean squared error of the first layer's output."""
    outputs = []
    for model in (network, candidate):
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        copy.graph.output.append(helper.make_tensor_value_info("c", onnx.TensorProto.FLOAT, None))
        outputs.append(tensor_runner(copy, ["c"])(images)[0])
    return float(np.square(outputs[0] - outputs[1]).mean())


def test_layers_come_nearer_to_the_baseline_and_zeros_stay(
    network: onnx.ModelProto, pool: ImagePool, pictures: NDArray[np.float32]
) -> None:
    candidate = prune_model(network, PruneOptions(sparsity=0.5, scope="layer"))
    found = reconstructed(network, candidate, Reference(network, pool).inputs)
    assert found is not None
    onnx.checker.check_model(found, full_check=True)
    old, new = arrays(candidate), arrays(found)
    assert {name for name in old if not np.array_equal(old[name], new[name])} == {"wc", "wg", "wm"}
    for name in old:
        np.testing.assert_array_equal(old[name] == 0, new[name] == 0)
    assert layer_error(network, found, pictures) < 0.5 * layer_error(network, candidate, pictures)


def test_only_thinned_weights_of_the_baseline_are_moved(network: onnx.ModelProto, pool: ImagePool) -> None:
    moments = Reference(network, pool).inputs
    assert reconstructed(network, network, moments) is None
    rounded = onnx.ModelProto()
    rounded.CopyFrom(prune_model(network, PruneOptions(sparsity=0.5)))
    for tensor in rounded.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).round(1), tensor.name))
    assert reconstructed(network, rounded, moments) is None, "rounded weights may not leave their grid"


def test_a_repair_reconstructs_only_as_far_as_images_held_out_agree(network: onnx.ModelProto, pool: ImagePool) -> None:
    reference = Reference(network, pool)
    candidate = prune_model(network, PruneOptions(sparsity=0.6))
    with_it = repaired_towards(reference, candidate)
    without = repaired_towards(reference, candidate, reconstructs=False)
    assert with_it.reconstructed
    assert not without.reconstructed
    assert with_it.kl_before == without.kl_before > without.kl_after > with_it.kl_after


def test_a_reconstruction_that_harms_is_not_taken(
    network: onnx.ModelProto, pool: ImagePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = prune_model(network, PruneOptions(sparsity=0.1))
    upside_down = with_weights(candidate, {name: -values for name, values in weight_values(candidate).items()})
    monkeypatch.setattr(repair_module, "reconstructed", lambda *_: upside_down)
    outcome = repaired_towards(Reference(network, pool), candidate)
    assert (outcome.reconstructed, outcome.strength, outcome.kl_after) == (False, 0.0, outcome.kl_before)
    assert model_bytes(outcome.model) == model_bytes(candidate)


def test_a_second_repair_measures_the_baseline_no_more(
    network: onnx.ModelProto, pool: ImagePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = Reference(network, pool)
    candidate = prune_model(network, PruneOptions(sparsity=0.6))
    first = repaired_towards(reference, candidate)
    for name in ("InputMoments", "baseline_moments"):
        monkeypatch.setattr(f"compress_onnx.compress.repair.reference.{name}", None)
    assert model_bytes(repaired_towards(reference, candidate).model) == model_bytes(first.model)
