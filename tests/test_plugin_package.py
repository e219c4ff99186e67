"""Plug-ins from outside: the packages in ``plugin_example`` and ``executor_example`` are installed and used."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

PACKAGES = [Path(__file__).parent / name for name in ("plugin_example", "executor_example")]
Run = Callable[..., subprocess.CompletedProcess[str]]
RULE = '[[rule]]\nmetric = "extra.runner_up_kept"\n'

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for needed in ("pip", "hatchling"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} builds the example")
    target = tmp_path_factory.mktemp("site")
    flags = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    command = [sys.executable, "-m", "pip", "install", *flags, "--target", str(target), *map(str, PACKAGES)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return target


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    """Run a command where the examples are installed, and return its answer."""

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        paths = [str(installed), os.environ.get("PYTHONPATH", "")]
        return subprocess.run(
            [sys.executable, "-m", "compress_onnx", *words, "--json"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )

    return command


def _model(path: Path, *, noise: float) -> None:
    weights = np.random.default_rng(0).normal(size=(5, 3 * 8 * 8))
    weights += np.random.default_rng(1).normal(0, noise, weights.shape)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["images"], ["f"]),
            helper.make_node("Gemm", ["f", "w"], ["logits"], transB=1),
        ],
        "linear",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 5])],
        [numpy_helper.from_array(weights.astype(np.float32), "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)


def test_an_installed_metric_is_measured_and_may_be_ruled_on(run: Run, tmp_path: Path) -> None:
    _model(tmp_path / "base.onnx", noise=0)
    _model(tmp_path / "other.onnx", noise=0.3)
    images = np.random.default_rng(2).integers(0, 256, (200, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", images=images, labels=np.arange(200) % 5, class_names=np.array(list("abcde")))

    def record(*words: str, code: int = 0) -> Any:
        answer = run(*words)
        assert answer.returncode == code, answer.stderr
        return json.loads(answer.stdout)

    flags = ("--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25", "--saliency", "none", "--no-latency")
    found = record("compare", "base.onnx", "other.onnx", "--data", "data.npz", "--out", "run", *flags)
    measured = found["comparisons"][0]["extra"]["runner_up_kept"]
    with np.load(tmp_path / "run/predictions/base.npz") as one, np.load(tmp_path / "run/predictions/other.npz") as two:
        second = [np.argsort(side["logits"], axis=1)[:, -2] for side in (one, two)]
    assert measured["value"] == pytest.approx(np.mean(second[0] == second[1]))
    assert 0 < measured["value"] < 1
    for limit, code in ((0.0, 0), (1.0, 1)):
        (tmp_path / "policy.toml").write_text(f"{RULE}at_least = {limit}\n", encoding="utf-8")
        verdict = record("gate", "run", "--policy", "policy.toml", code=code)
        assert verdict["checks"][0]["observed"] == measured["value"]


def test_an_installed_executor_runs_a_studys_cells(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    lines = ('networks = ["lenet5"]', 'datasets = ["digits"]', 'recipes = ["prune:0.5"]', "seeds = [0, 1]")
    (tmp_path / "grid.toml").write_text("\n".join((*lines, 'saliency = "none"', "latency = false", "")))
    answer = run("study", "grid.toml", "--executor", "in-turn", "--out", "study")
    assert answer.returncode == 0, answer.stderr
    names = ["lenet5-digits-seed0", "lenet5-digits-seed1"]
    assert [cell["name"] for cell in json.loads(answer.stdout)["cells"]] == names
    assert [line for line in answer.stderr.splitlines() if line.startswith("in turn: ")] == [
        f"in turn: {name}" for name in names
    ]
    unknown = run("study", "grid.toml", "--executor", "inturn")
    assert unknown.returncode == 2
    assert "Did you mean in-turn" in unknown.stderr
