"""``prune`` as a user asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.files import sha256_of_file
from compress_onnx.model.census.census import weights
from compress_onnx.model.files import load_model, save_model
from compress_onnx.model.metadata import read_embedded


def steps(path: Path) -> list[str]:
    return [step.name for step in read_embedded(load_model(path)).recipe]


def zeros(path: Path) -> float:
    found = weights(load_model(path))
    return 1 - sum(weight.nonzero for weight in found) / sum(weight.elements for weight in found)


def logits(path: Path) -> Any:
    images = np.random.default_rng(7).normal(size=(16, 3, 8, 8)).astype(np.float32)
    return ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"images": images})[0]


def test_prune_prints_the_artifact(cli: Any, shelf: Any, tmp_path: Path) -> None:
    answer = cli("prune", shelf.base, "--sparsity", "0.25", "-o", tmp_path / "p.onnx", "--json")
    found = answer.json
    assert found["sha256"] == sha256_of_file(tmp_path / "p.onnx")
    assert found["parent_sha256"] == sha256_of_file(shelf.base)
    assert found["weights"] - found["nonzero_weights"] == int(0.25 * found["weights"])
    assert found["recipe"][-1]["options"] == {
        "sparsity": 0.25,
        "scope": "global",
        "basis": "unfolded",
        "exclude": [],
    }


def test_pruned_files_stand_beside_their_source_by_default(cli: Any, shelf: Any, tmp_path: Path) -> None:
    source = tmp_path / "net.onnx"
    source.write_bytes(shelf.base.read_bytes())
    assert cli("prune", source, "--sparsity", "0.7").code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"net.onnx", "net-prune0.7.onnx"}


def test_pruning_with_images_repairs_and_says_what_that_gained(cli: Any, shelf: Any, tmp_path: Path) -> None:
    path = tmp_path / "p.onnx"
    words = ("prune", shelf.base, "--sparsity", "0.6", "--data", shelf.train, "--repair-size", "32", "-o", path)
    answer = cli(*words)
    assert answer.code == 0
    assert "Repaired: flips" in answer.err
    assert steps(path) == ["prune", "repair"]
    gained = read_embedded(load_model(path)).recipe[-1].options
    assert gained["kl_after"] <= gained["kl_before"]
    assert zeros(path) == pytest.approx(0.6, abs=0.001)
    assert path.with_suffix(".calibration.json").exists()


def test_repair_none_leaves_plain_pruning(cli: Any, shelf: Any, tmp_path: Path) -> None:
    plain, unrepaired = tmp_path / "a.onnx", tmp_path / "b.onnx"
    assert cli("prune", shelf.base, "-o", plain).code == 0
    words = ("--data", shelf.train, "--repair-size", "16", "--repair", "none", "-o", unrepaired)
    assert cli("prune", shelf.base, *words).code == 0
    assert plain.read_bytes() == unrepaired.read_bytes()


def test_excluded_weights_stay(cli: Any, shelf: Any, tmp_path: Path) -> None:
    path = tmp_path / "p.onnx"
    assert cli("prune", shelf.base, "--sparsity", "0.5", "--exclude", "w1", "-o", path).code == 0
    by_name = {weight.name: weight for weight in weights(load_model(path))}
    assert by_name["w1"].nonzero == by_name["w1"].elements
    assert by_name["w2"].nonzero < by_name["w2"].elements


def test_structured_pruning_makes_the_file_smaller(cli: Any, shelf: Any, tmp_path: Path) -> None:
    path = tmp_path / "p.onnx"
    assert cli("prune", shelf.base, "--structured", "--sparsity", "0.5", "-o", path).code == 0
    before, after = (sum(weight.elements for weight in weights(load_model(p))) for p in (shelf.base, path))
    assert after < before
    assert logits(path).shape == (16, 3)


def test_a_search_stays_within_its_limit_on_both_halves(cli: Any, shelf: Any, tmp_path: Path) -> None:
    path = tmp_path / "p.onnx"
    words = ("--search", "--max-drop", "0.1", "--data", shelf.train, "--repair-size", "40", "--repair", "none")
    answer = cli("prune", shelf.base, *words, "-o", path)
    assert answer.code == 0
    assert "Highest sparsity" in answer.err
    found = read_embedded(load_model(path)).recipe[-1].options
    assert found["loss_searched"] <= 0.1
    assert found["loss_confirmed"] <= 0.1
    assert found["n_searched"] == found["n_confirmed"] == 20


def test_too_little_in_reach_is_refused_and_nothing_written(cli: Any, shelf: Any, tmp_path: Path) -> None:
    model = load_model(shelf.base)
    model.graph.node[3].input[1] = "risen"
    model.graph.node.insert(0, helper.make_node("Cosh", ["folded"], ["risen"]))
    model.graph.node.insert(0, helper.make_node("Reshape", ["w2", "shape"], ["folded"]))
    model.graph.node.insert(0, helper.make_node("Cast", ["bounds"], ["shape"], to=TensorProto.INT64))
    model.graph.node.insert(0, helper.make_node("Add", ["none", "sizes"], ["bounds"]))
    model.graph.node.insert(0, helper.make_node("Mul", ["first", "zero"], ["none"]))
    model.graph.node.insert(0, helper.make_node("ReduceMax", ["images"], ["first"], keepdims=0))
    numbers = {"zero": np.zeros((), np.float32), "sizes": np.array([3, 256], np.float32)}
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in numbers.items())
    source, path = tmp_path / "late.onnx", tmp_path / "p.onnx"
    save_model(model, source)
    answer = cli("prune", source, "--sparsity", "0.5", "-o", path)
    assert (answer.code, path.exists()) == (2, False)
    assert "of whose weights at most 1% are out of reach" in answer.err
    assert str(source) in answer.err
