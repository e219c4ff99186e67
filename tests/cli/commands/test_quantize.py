"""``quantize`` as a user asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import helper

from compress_onnx.model.census.census import weights
from compress_onnx.model.files import load_model, save_model
from compress_onnx.model.metadata import read_embedded


def logits(path: Path) -> Any:
    images = np.random.default_rng(7).normal(size=(16, 3, 8, 8)).astype(np.float32)
    return ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"images": images})[0]


def test_quantize_prints_the_artifact_and_files_its_manifest(cli: Any, shelf: Any, tmp_path: Path) -> None:
    words = ("--calibration-size", "12", "--cpu", "x86-64-vnni", "-o", tmp_path / "q.onnx", "--json")
    answer = cli("quantize", shelf.base, "--data", shelf.train, *words)
    assert answer.code == 0
    assert answer.json["precision"] == "w8a8"
    assert answer.json["recipe"][-1]["options"]["cpu"] == "x86-64-vnni"
    assert (tmp_path / "q.calibration.json").is_file()
    assert f"Calibrated on {shelf.folder.name}-train-12-seed0." in answer.err


@pytest.mark.parametrize(("kind", "bits"), [("int8", {8}), ("int4", {4}), ("mixed", {4})])
def test_weights_have_the_width_that_was_asked_for(
    cli: Any, shelf: Any, tmp_path: Path, kind: str, bits: set[int]
) -> None:
    path = tmp_path / "q.onnx"
    words = ("--weights", kind, "--data", shelf.train, "--calibration-size", "32", "--max-drop", "0.2", "-o", path)
    assert cli("quantize", shelf.base, *words).code == 0
    assert {weight.bits for weight in weights(load_model(path))} == bits
    answer = cli("inspect", path, "--json").json
    assert answer["fusion"]["int8_fraction"] == 1.0
    assert np.isfinite(logits(path)).all()


def test_mixed_keeps_in_eight_bits_what_would_cost_more_than_asked(cli: Any, shelf: Any, tmp_path: Path) -> None:
    """On the model's own predictions as labels every flip is a loss."""
    images = np.load(shelf.train)["images"]
    pixels = ((images / np.float32(255) - 0.5) / 0.25).transpose(0, 3, 1, 2).astype(np.float32)
    session = ort.InferenceSession(shelf.base, providers=["CPUExecutionProvider"])
    own = session.run(None, {"images": pixels})[0].argmax(axis=1)
    np.savez(tmp_path / "own.npz", images=images, labels=own, class_names=np.array(["a", "b", "c"]))
    bits = {}
    for drop in ("0", "0.9"):
        words = ("--weights", "mixed", "--data", tmp_path / "own.npz", "--calibration-size", "32", "--max-drop", drop)
        answer = cli("quantize", shelf.base, *words, "--repair", "none", "-o", tmp_path / "q.onnx")
        assert answer.code == 0, answer.err
        bits[drop] = {weight.bits for weight in weights(load_model(tmp_path / "q.onnx"))}
    assert 8 in bits["0"]
    assert bits["0.9"] == {4}


def test_four_bit_weights_are_repaired_unless_told_otherwise(cli: Any, shelf: Any, tmp_path: Path) -> None:
    words = ("--weights", "int4", "--data", shelf.train, "--calibration-size", "32")
    for repair, gains in (("auto", True), ("none", False)):
        path = tmp_path / f"{repair}.onnx"
        assert cli("quantize", shelf.base, *words, "--repair", repair, "-o", path).code == 0
        options = read_embedded(load_model(path)).recipe[-1].options
        assert ("repair_kl_after" in options) is gains
        if gains:
            assert 0 < options["repair_kl_after"] < options["repair_kl_before"]


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
