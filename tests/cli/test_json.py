"""``--json`` puts one document on stdout and nothing else; the words for people go elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compress_onnx.files import sha256_of_file
from compress_onnx.store import load_run

QUICK = ("--saliency", "none", "--no-latency")


def test_compare_prints_its_record(cli: Any, shelf: Any, tmp_path: Path) -> None:
    answer = cli("compare", shelf.base, shelf.other, "--data", shelf.data, "--out", tmp_path / "run", *QUICK, "--json")
    assert answer.code == 0
    rate = answer.json["comparisons"][0]["flips"]["rate"]["value"]
    stored = load_run(tmp_path / "run")
    assert rate == stored.comparisons[0].flips.rate.value
    with (
        np.load(tmp_path / "run/predictions/base.npz") as base,
        np.load(tmp_path / "run/predictions/other.npz") as other,
    ):
        changed = base["logits"].argmax(axis=1) != other["logits"].argmax(axis=1)
    assert rate == pytest.approx(changed.mean())
    assert 0 < rate < 1
    assert "Report: " in answer.err


def test_every_measure_of_a_record_is_an_object_with_a_value(cli: Any, compared: Path) -> None:
    found = list(_measures(json.loads((compared / "run.json").read_text())))
    assert len(found) > 20
    assert all(measure["value"] is not None or measure["undefined_reason"] for measure in found)


def _measures(node: Any) -> Any:
    if isinstance(node, dict):
        if {"unit", "better"} <= node.keys():
            yield node
        for child in node.values():
            yield from _measures(child)
    elif isinstance(node, list):
        for child in node:
            yield from _measures(child)


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


def test_quantize_prints_the_artifact_and_files_its_manifest(cli: Any, shelf: Any, tmp_path: Path) -> None:
    words = ("--calibration-size", "12", "--cpu", "x86-64-vnni", "-o", tmp_path / "q.onnx", "--json")
    answer = cli("quantize", shelf.base, "--data", shelf.train, *words)
    assert answer.code == 0
    assert answer.json["precision"] == "w8a8"
    assert answer.json["recipe"][-1]["options"]["cpu"] == "x86-64-vnni"
    assert (tmp_path / "q.calibration.json").is_file()
    assert f"Calibrated on {shelf.folder.name}-train-12-seed0." in answer.err


def test_a_foreign_model_is_quantized_and_compared_by_flags(cli: Any, shelf: Any, tmp_path: Path) -> None:
    flags = ("--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25")
    made = cli(
        "quantize", shelf.foreign, "--data", shelf.train, "--calibration-size", 12, "-o", tmp_path / "q.onnx", *flags
    )
    assert made.code == 0
    words = ("compare", shelf.foreign, tmp_path / "q.onnx", "--data", shelf.data, "--out", tmp_path / "run", *QUICK)
    answer = cli(*words, *flags, "--json")
    assert answer.json["preprocessing"]["mean"] == [0.5, 0.5, 0.5]
    assert answer.json["artifacts"][1]["precision"] == "w8a8"


def test_bench_prints_raw_values(cli: Any, shelf: Any) -> None:
    answer = cli(
        "bench", shelf.base, shelf.other, shelf.base, "--rounds", "2", "--calls", "4", "--batch", "3", "--json"
    )
    assert answer.code == 0
    assert [len(found["candidate"]["values_ms"]) for found in answer.json["latency"]] == [8, 8]
    assert answer.json["latency"][0]["batch"] == 3
    assert answer.json["environment"]["cores"] >= 1


def test_inspect_prints_weights_and_kernels(cli: Any, shelf: Any) -> None:
    found = cli("inspect", shelf.base, "--json").json
    assert [weight["shape"] for weight in found["weights"]] == [[4, 3, 3, 3], [3, 256]]
    assert found["artifact"]["precision"] == "fp32"
    assert found["fusion"]["int8_fraction"] == 0
    assert found["profile"] is None


def test_inspect_shows_where_the_time_goes(cli: Any, shelf: Any) -> None:
    profile = cli("inspect", shelf.base, "--profile", "--json").json["profile"]
    assert sum(operator["nodes"] for operator in profile["operators"]) == profile["nodes"]
    assert "Where a call's time goes" in cli("inspect", shelf.base, "--profile").out


def test_list_names_what_is_there(cli: Any) -> None:
    found = cli("list", "--json").json
    assert {"digits", "cifar10", "gtsrb"} <= set(found["data sets"])
    assert {"prune", "quantize"} <= set(found["compressors"])
    assert "gradient" in found["attribution methods"]


@pytest.mark.parametrize(
    "words",
    [
        lambda shelf: ("inspect", shelf.base),
        lambda shelf: ("list",),
        lambda shelf: ("bench", shelf.base, shelf.other, "--rounds", "2", "--calls", "3"),
    ],
)
def test_tables_for_people_go_to_stdout(words: Callable[[Any], Any], cli: Any, shelf: Any) -> None:
    answer = cli(*words(shelf))
    assert answer.code == 0
    assert "┃" in answer.out


def test_compare_shows_a_table_and_the_way_back(cli: Any, shelf: Any, tmp_path: Path) -> None:
    answer = cli("compare", shelf.base, shelf.other, "--data", shelf.data, "--out", tmp_path / "my run", *QUICK)
    assert "┃ candidate" in answer.out
    assert f"Report: {tmp_path}/my run/report.html" in answer.err
    assert f"--out '{tmp_path}/my run'" in answer.err.splitlines()[-1]


def test_a_report_is_made_again_from_its_folder(cli: Any, finished: Path) -> None:
    (finished / "report.html").unlink()
    answer = cli("report", finished)
    assert (answer.code, answer.out) == (0, f"{finished}/report.html\n")
    assert (finished / "report.html").stat().st_size > 1_000_000
