"""``compare``: its record, its table, and models whose answers depend on the call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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


def test_compare_shows_a_table_and_the_way_back(cli: Any, shelf: Any, tmp_path: Path) -> None:
    answer = cli("compare", shelf.base, shelf.other, "--data", shelf.data, "--out", tmp_path / "my run", *QUICK)
    assert "┃ candidate" in answer.out
    assert f"Report: {tmp_path}/my run/report.html" in answer.err
    assert f"--out '{tmp_path}/my run'" in answer.err.splitlines()[-1]


def test_the_first_screen_says_which_models_depend_on_the_call(
    cli: Any, shelf: Any, dynamic: Path, tmp_path: Path
) -> None:
    words = (shelf.base, dynamic, "--data", shelf.data, "--saliency", "none", "--no-latency")
    said = cli("compare", *words, "--out", tmp_path / "run")
    assert said.code == 0
    told = "dynamic: An answer may depend on the other images of a call (DynamicQuantizeLinear"
    assert told in said.out
    assert "it is predicted one image at a time" in said.out
    assert told in (tmp_path / "run" / "report.html").read_text(encoding="utf-8").replace("&#39;", "'")
    record = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert [run["independence"]["independent"] for run in record["predicted"]] == [True, False]
    assert told.removeprefix("dynamic: ") in record["artifacts"][1]["warnings"][0]
    assert cli("compare", *words, "--json", "--out", tmp_path / "again").json["run_id"]
