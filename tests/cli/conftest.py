"""The command line in this process, and small hand-made models, images and runs to try it on."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.cli.app import run
from compress_onnx.model.files import save_model
from compress_onnx.model.metadata import Embedded, write_embedded
from compress_onnx.records.artifacts import Preprocessing

CLASSES = 3
PREPROCESSING = Preprocessing(height=8, width=8, mean=(0.5,) * 3, std=(0.25,) * 3)


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Answer]


def network(classes: int = CLASSES, *, side: int = 8, opset: int = 21, declared: bool = True) -> onnx.ModelProto:
    """Conv, Relu, Flatten, Gemm: images (N, 3, side, side) to logits (N, classes)."""
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.normal(0, 0.4, (4, 3, 3, 3)),
        "w2": rng.normal(0, 0.2, (classes, 4 * side * side)),
        "b2": np.zeros(classes),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["images", "w1"], ["c"], name="conv", pads=[1] * 4),
            helper.make_node("Relu", ["c"], ["r"], name="relu"),
            helper.make_node("Flatten", ["r"], ["f"], name="flatten"),
            helper.make_node("Gemm", ["f", "w2", "b2"], ["logits"], name="fc", transB=1),
        ],
        "network",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, side, side])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", classes if declared else "c"])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def pictures(n: int, *, seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (n, 8, 8, 3), dtype=np.uint8)


@dataclasses.dataclass(frozen=True)
class Shelf:
    """Good files: an FP32 model, the same without metadata, a pruned one, and images."""

    folder: Path

    def __getattr__(self, name: str) -> Path:
        ending = {"data": "npz", "train": "npz"}.get(name, "onnx")
        return self.folder / f"{name}.{ending}"


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    folder = tmp_path_factory.mktemp("shelf")
    names = tuple("abc")
    save_model(network(), folder / "foreign.onnx")
    base = write_embedded(network(), Embedded(preprocessing=PREPROCESSING, class_names=names))
    save_model(base, folder / "base.onnx")
    other = onnx.ModelProto()
    other.CopyFrom(base)
    rng = np.random.default_rng(5)
    weight = numpy_helper.to_array(other.graph.initializer[1])
    noisy = weight + rng.normal(0, 0.05, weight.shape).astype(np.float32)
    other.graph.initializer[1].CopyFrom(numpy_helper.from_array(noisy, "w2"))
    save_model(other, folder / "other.onnx")
    for name, seed, n in (("data", 1, 60), ("train", 2, 40)):
        labels = np.arange(n) % CLASSES
        np.savez(folder / f"{name}.npz", images=pictures(n, seed=seed), labels=labels, class_names=np.array(names))
    return Shelf(folder)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process: ``cli("prune", path)``."""

    def call(*words: object) -> Answer:
        capsys.readouterr()
        code = run([str(word) for word in words])
        return Answer(code, *capsys.readouterr())

    return call


QUICK = ("--saliency", "none", "--rounds", "2", "--calls", "3")


@pytest.fixture(scope="session")
def compared(shelf: Shelf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished comparison; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "compared"
    words = ["compare", shelf.base, shelf.other, "--data", shelf.data, "--out", folder, *QUICK]
    assert run([str(word) for word in words]) == 0
    return folder


@pytest.fixture
def finished(compared: Path, tmp_path: Path) -> Path:
    """A copy of a finished comparison's folder."""
    return Path(shutil.copytree(compared, tmp_path / "run"))


@pytest.fixture
def policy(tmp_path: Path) -> Callable[[str], Path]:
    """Write a policy file of the given text."""

    def write(text: str) -> Path:
        path = tmp_path / "policy.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
