"""One step from a model to a pruned one: without images, repaired on images, as far as accuracy bears."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from compress_onnx.comparison.calibration import SIDECAR
from compress_onnx.compress.pruning.prune import PruneOptions
from compress_onnx.compress.pruning.structured import StructuredOptions
from compress_onnx.data.images import ImageSet
from compress_onnx.errors import DataError, OptionError
from compress_onnx.model.files import model_sha256
from compress_onnx.model.metadata import read_embedded
from compress_onnx.model.model import Model
from compress_onnx.steps.pruning import Search, pruned, searched
from compress_onnx.steps.quantization import CalibrationData


@pytest.fixture(autouse=True)
def _no_manifests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def weights_of(model: onnx.ModelProto) -> dict[str, Any]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def calibration(images: ImageSet, **changes: Any) -> CalibrationData:
    return CalibrationData(**{"training": images, "evaluation": None, "size": 30, "seed": 0, **changes})


@pytest.mark.parametrize("sparsity", [0.3, 0.5])
def test_without_images_the_smallest_weights_become_zero_and_the_source_stays(
    make_classifier: Callable[..., Path], sparsity: float
) -> None:
    source = Model.of(make_classifier("base", noise=0.5))
    before = source.proto.SerializeToString()
    small = pruned(source, PruneOptions(sparsity=sparsity), data=None)
    values = {name: np.abs(array).ravel() for name, array in weights_of(source.proto).items()}
    every = np.concatenate([values["w1"], values["w2"]])
    zeros = sum(int((array == 0).sum()) for array in weights_of(small.proto).values())
    assert zeros == max(int(sparsity * every.size), int((every == 0).sum()))
    assert source.proto.SerializeToString() == before
    recipe = read_embedded(small.proto).recipe
    assert [step.name for step in recipe] == ["prune"]
    assert small.embedded.parent_sha256 == source.sha256
    assert not small.sidecars


def test_with_images_the_result_is_repaired_on_those_its_manifest_names(
    make_classifier: Callable[..., Path], make_images: Callable[..., ImageSet]
) -> None:
    source = make_classifier("base", noise=0.5)
    repaired = pruned(source, PruneOptions(sparsity=0.4), data=calibration(make_images(60)))
    assert [step.name for step in repaired.embedded.recipe] == ["prune", "repair"]
    assert SIDECAR in repaired.sidecars
    plain = pruned(source, PruneOptions(sparsity=0.4), data=None)
    gone, kept = (
        {name: array == 0 for name, array in weights_of(model.proto).items() if array.ndim > 1}
        for model in (plain, repaired)
    )
    assert all((kept[name] >= zeros).all() for name, zeros in gone.items()), "a repair brings no weight back"
    again = pruned(source, PruneOptions(sparsity=0.4), data=calibration(make_images(60)))
    assert again.sha256 == repaired.sha256


def test_a_repair_of_a_folded_basis_is_refused(
    make_classifier: Callable[..., Path], make_images: Callable[..., ImageSet]
) -> None:
    with pytest.raises(OptionError, match="--basis unfolded with repair, got folded"):
        pruned(make_classifier("base"), PruneOptions(basis="folded"), data=calibration(make_images(60)))


def test_whole_channels_go_by_structured_pruning(make_model: Any) -> None:
    rng = np.random.default_rng(0)
    tensors = {
        "w1": rng.standard_normal((16, 3, 3, 3)).astype(np.float32),
        "w2": rng.standard_normal((5, 16 * 64)).astype(np.float32),
    }
    node = onnx.helper.make_node
    nodes = [
        node("Conv", ["input", "w1"], ["a"], "conv", pads=[1] * 4),
        node("Relu", ["a"], ["b"], "relu"),
        node("Flatten", ["b"], ["f"], "flatten"),
        node("Gemm", ["f", "w2"], ["logits"], "fc", transB=1),
    ]
    small = pruned(make_model(nodes, tensors), StructuredOptions(fraction=0.5), data=None)
    shapes = sorted(array.shape for array in weights_of(small.proto).values() if array.ndim in {2, 4})
    assert shapes == [(5, 8 * 64), (8, 3, 3, 3)]
    assert small.signature.classes == 5


def search(**changes: Any) -> Search:
    return Search(**{"options": PruneOptions(), "max_drop": 0.3, "repairs": False, "seed": 0, **changes})


def test_a_search_finds_a_sparsity_and_writes_down_how(
    make_classifier: Callable[..., Path], make_images: Callable[..., ImageSet]
) -> None:
    source, data = make_classifier("base", noise=0.05), calibration(make_images(240), size=200)
    steps: list[str] = []
    small, outcome = searched(source, search(), data=data, progress=lambda _, text: steps.append(text))
    assert 0 < outcome.sparsity < 1
    assert max(outcome.bound_searched, outcome.bound_confirmed) <= 0.3
    assert outcome.n_searched + outcome.n_confirmed == 200
    # What was found is what plain pruning at that sparsity gives.
    plain = weights_of(pruned(source, PruneOptions(sparsity=outcome.sparsity), data=None).proto)
    found = weights_of(small.proto)
    assert all(np.array_equal(found[name], plain[name]) for name in plain)
    facts = small.embedded.recipe[-1]
    assert (facts.name, facts.options["sparsity"], facts.options["max_drop"]) == ("search", outcome.sparsity, 0.3)
    assert facts.options["tried"] == list(outcome.tried)
    assert f"sparsity {outcome.sparsity:g}" in steps


def test_a_search_that_repairs_has_the_repair_in_its_recipe(
    make_classifier: Callable[..., Path], make_images: Callable[..., ImageSet]
) -> None:
    data = calibration(make_images(240), size=200)
    small, _ = searched(make_classifier("base", noise=0.05), search(repairs=True), data=data)
    assert [step.name for step in small.embedded.recipe] == ["prune", "repair", "search"]


def test_the_same_search_twice_gives_the_same_model(
    make_classifier: Callable[..., Path], make_images: Callable[..., ImageSet]
) -> None:
    source, data = make_classifier("base", noise=0.05), calibration(make_images(240), size=200)
    first, second = (searched(source, search(), data=data)[0] for _ in range(2))
    assert model_sha256(first.proto) == model_sha256(second.proto)


def test_a_search_wants_labels(make_classifier: Callable[..., Path], make_images: Callable[..., ImageSet]) -> None:
    data = calibration(make_images(60, labeled=False))
    with pytest.raises(DataError, match=r"labeled calibration images.*got no labels.*base\.onnx"):
        searched(make_classifier("base"), search(), data=data)
