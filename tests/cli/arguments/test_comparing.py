"""``check`` takes what ``compare`` takes, and says the same of models whose answers depend on the call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import pytest
import typer
from onnxruntime.quantization import QuantType, quantize_dynamic

from compress_onnx.cli.app import app

OWN_DEFAULTS = {"saliency", "latency"}


def parameters(command: str) -> dict[str, Any]:
    found = typer.main.get_command(app).commands[command].params  # type: ignore[attr-defined]  # a group
    return {parameter.name: parameter for parameter in found}


def test_check_takes_every_option_of_compare() -> None:
    compare, check = parameters("compare"), parameters("check")
    assert set(compare) < set(check)
    for name, option in compare.items():
        twin = check[name]
        assert (option.opts, option.secondary_opts, option.help) == (twin.opts, twin.secondary_opts, twin.help)
        assert (type(option), option.required, option.nargs) == (type(twin), twin.required, twin.nargs)
        assert option.default == twin.default or name in OWN_DEFAULTS


@pytest.fixture
def dynamic(shelf: Any, tmp_path: Path) -> Path:
    quantize_dynamic(onnx.load(shelf.base), tmp_path / "dynamic.onnx", weight_type=QuantType.QUInt8)
    return tmp_path / "dynamic.onnx"


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


def test_check_predicts_at_the_batch_asked_for(
    cli: Any, shelf: Any, dynamic: Path, policy: Any, tmp_path: Path
) -> None:
    rules = policy('[[rule]]\nmetric = "flips.rate"\nat_most = 1.0\n')
    words = (
        "--data",
        shelf.data,
        "--policy",
        rules,
        "--batch",
        2,
        "--rounds",
        1,
        "--calls",
        2,
        "--out",
        tmp_path / "run",
    )
    said = cli("check", shelf.base, dynamic, *words)
    assert said.code == 0, said
    assert "predicted 2 images at a time" in said.out
    record = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert record["predicted"][1]["independence"]["predicted_batch"] == 2
    assert record["config"]["batch"] == 2
