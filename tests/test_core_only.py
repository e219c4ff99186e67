"""The edge box: a virtual environment without torch, in which the core does all but train and export."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parents[1]
FLAGS = ("--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25")

pytestmark = pytest.mark.slow


@dataclasses.dataclass(frozen=True)
class Box:
    """A virtual environment with the wheel of this tree, and a folder to work in."""

    bin: Path
    folder: Path

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.run(
            [str(self.bin / str(words[0])), *map(str, words[1:])],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )


def _network(path: Path) -> None:
    """Conv, Relu, Flatten, Gemm, as a file made elsewhere: no metadata of this tool."""
    rng = np.random.default_rng(0)
    weights = {"w1": rng.normal(0, 0.4, (8, 3, 3, 3)), "w2": rng.normal(0, 0.1, (4, 8 * 64))}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["images", "w1"], ["c"], pads=[1] * 4),
            helper.make_node("Relu", ["c"], ["r"]),
            helper.make_node("Flatten", ["r"], ["f"]),
            helper.make_node("Gemm", ["f", "w2"], ["logits"], transB=1),
        ],
        "network",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)


def _pictures(path: Path, *, seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (80, 8, 8, 3), dtype=np.uint8)
    np.savez(path, images=images, labels=np.arange(80) % 4, class_names=np.array(list("abcd")))


def _built_wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0 and "No matching distribution" in answer.stderr + answer.stdout:
        pytest.skip("pip reaches no package index, so no fresh environment can be made")
    assert answer.returncode == 0, answer.stderr
    return next(folder.glob("compress_onnx-*.whl"))


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Box:
    folder = tmp_path_factory.mktemp("edge")
    wheel = _built_wheel(folder)
    venv.create(folder / "env", with_pip=True)
    made = Box(bin=folder / "env" / "bin", folder=folder)
    constraints = ROOT / ".ci" / "constraints.txt"
    answer = made.run("python", "-m", "pip", "install", "--quiet", "--constraint", constraints, wheel)
    if answer.returncode != 0 and "No matching distribution" in answer.stderr:
        pytest.skip("pip reaches no package index, so no fresh environment can be made")
    assert answer.returncode == 0, answer.stderr
    _network(folder / "base.onnx")
    _pictures(folder / "train.npz", seed=1)
    _pictures(folder / "test.npz", seed=2)
    return made


def _done(box: Box, *words: object) -> str:
    answer = box.run("compress-onnx", *words)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_the_package_is_the_wheels_and_torch_is_absent(box: Box) -> None:
    answer = box.run("python", "-c", "import compress_onnx; print(compress_onnx.__file__)")
    assert str(box.folder / "env") in answer.stdout
    assert box.run("python", "-c", "import torch").returncode != 0
    assert "compress" in _done(box, "--help")


def test_the_chain_works_on_files_made_elsewhere(box: Box) -> None:
    _done(box, "prune", "base.onnx", "--sparsity", "0.5", "-o", "pruned.onnx")
    _done(box, "quantize", "pruned.onnx", "--data", "train.npz", "--calibration-size", "40", "-o", "w8a8.onnx", *FLAGS)
    _done(box, "bench", "base.onnx", "w8a8.onnx", "--rounds", "2", "--calls", "5")
    assert json.loads(_done(box, "inspect", "w8a8.onnx", "--json"))["artifact"]["precision"] == "w8a8"
    answer = box.run(
        *("compress-onnx", "compare", "base.onnx", "pruned.onnx", "w8a8.onnx", "--data", "test.npz"),
        *("--out", "run", "--rounds", "2", "--calls", "5", "--json", *FLAGS),
    )
    assert answer.returncode == 0, answer.stderr
    assert "pip install 'compress-onnx[torch]'" in answer.stderr
    record: dict[str, Any] = json.loads(answer.stdout)
    assert [artifact["name"] for artifact in record["artifacts"]] == ["base", "pruned", "w8a8"]
    assert {comparison["saliency"] for comparison in record["comparisons"]} == {None}
    (box.folder / "policy.toml").write_text('[[rule]]\nmetric = "flips.rate"\nat_most = 1\n')
    _done(box, "gate", "run", "--policy", "policy.toml")
    _done(box, "check", "base.onnx", "w8a8.onnx", "--data", "test.npz", "--policy", "policy.toml", "--out", "c", *FLAGS)
    assert _done(box, "report", "run").strip() == "run/report.html"
    assert "quantize" in _done(box, "list")


@pytest.mark.parametrize(
    "words",
    [
        ("export", "lenet5-digits"),
        ("train", "lenet5", "digits"),
        ("demo",),
        ("study", "grid.toml"),
        ("compare", "base.onnx", "base.onnx", "--data", "test.npz", "--saliency", "gradient", *FLAGS),
        ("compare", "base.onnx", "base.onnx", "--data", "digits", *FLAGS),
    ],
    ids=" ".join,
)
def test_what_needs_torch_names_the_extra(words: tuple[str, ...], box: Box) -> None:
    answer = box.run("compress-onnx", *words)
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[-1].startswith("compress-onnx: Expected the packages of the extra 'torch'")
    assert "pip install 'compress-onnx[torch]'" in answer.stderr
    assert "Traceback" not in answer.stderr
