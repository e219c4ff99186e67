"""Pruning and quantization as a user asks for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.model.census.census import weights
from compress_onnx.model.files import load_model, save_model
from compress_onnx.model.metadata import read_embedded


def logits(path: Path) -> Any:
    images = np.random.default_rng(7).normal(size=(16, 3, 8, 8)).astype(np.float32)
    return ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"images": images})[0]


def steps(path: Path) -> list[str]:
    return [step.name for step in read_embedded(load_model(path)).recipe]


def zeros(path: Path) -> float:
    found = weights(load_model(path))
    return 1 - sum(weight.nonzero for weight in found) / sum(weight.elements for weight in found)


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


@pytest.mark.parametrize(("kind", "bits"), [("int8", {8}), ("int4", {4}), ("mixed", {4})])
def test_weights_have_the_width_that_was_asked_for(
    cli: Any, shelf: Any, tmp_path: Path, kind: str, bits: set[int]
) -> None:
    # Within this drop mixed weights need no layer at 8 bits: where none bears 4, all would be at 8.
    path = tmp_path / "q.onnx"
    words = ("--weights", kind, "--data", shelf.train, "--calibration-size", "32", "--max-drop", "0.2", "-o", path)
    assert cli("quantize", shelf.base, *words).code == 0
    assert {weight.bits for weight in weights(load_model(path))} == bits
    answer = cli("inspect", path, "--json").json
    assert answer["fusion"]["int8_fraction"] == 1.0
    assert np.isfinite(logits(path)).all()


def test_four_bit_weights_are_repaired_unless_told_otherwise(cli: Any, shelf: Any, tmp_path: Path) -> None:
    words = ("--weights", "int4", "--data", shelf.train, "--calibration-size", "32")
    for repair, gains in (("auto", True), ("none", False)):
        path = tmp_path / f"{repair}.onnx"
        assert cli("quantize", shelf.base, *words, "--repair", repair, "-o", path).code == 0
        made = read_embedded(load_model(path)).recipe[-1].options
        assert ("repair_kl_after" in made) is gains
        if gains:
            assert 0 < made["repair_kl_after"] < made["repair_kl_before"]
            assert made["repair_n"] == 32 // 4


def test_four_bits_need_half_the_space_of_eight(cli: Any, shelf: Any, tmp_path: Path) -> None:
    sizes = {}
    for kind in ("int8", "int4"):
        words = ("--weights", kind, "--data", shelf.train, "--calibration-size", "32", "-o", tmp_path / kind)
        assert cli("quantize", shelf.base, *words).code == 0
        sizes[kind] = sum(weight.elements * weight.bits for weight in weights(load_model(tmp_path / kind)))
    assert 2 * sizes["int4"] == sizes["int8"]


def test_what_was_not_reached_is_said_recorded_and_reported(cli: Any, shelf: Any, tmp_path: Path) -> None:
    model = load_model(shelf.base)
    head = model.graph.node[3]
    head.CopyFrom(helper.make_node("Einsum", ["f", "w2"], ["logits"], "fc", equation="ij,kj->ik"))
    source, path, folder = tmp_path / "einsum.onnx", tmp_path / "q.onnx", tmp_path / "run"
    save_model(model, source)
    words = ("--data", shelf.train, "--calibration-size", "16", "--cpu", "x86-64-vnni", "-o", path)
    answer = cli("quantize", source, *words)
    assert answer.code == 0
    said = "quantize did not reach 87.7% of the weights: w2: of Einsum, which stays in floating point."
    assert said in answer.err
    assert "W8A8 in 1 of 2" in answer.out
    compared = cli("compare", source, path, "--data", shelf.data, "--no-latency", "--out", folder, "--json")
    assert said in compared.json["artifacts"][1]["warnings"]
    assert "did not reach 87.7" in (folder / "report.html").read_text(encoding="utf-8")


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
