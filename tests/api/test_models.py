"""Models from models, in memory."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

import compress_onnx as co
from compress_onnx.api.example import classifier, pictures
from compress_onnx.cli.app import run as run_cli
from compress_onnx.errors import DataError, OptionError
from compress_onnx.model.model import Model
from compress_onnx.records.artifacts import Preprocessing


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, str]:
    import numpy as np

    onnx.save(classifier(0.1), tmp_path / "base.onnx")
    images, labels = pictures(60)
    np.savez(tmp_path / "set.npz", images=images, labels=labels)
    return tmp_path / "base.onnx", str(tmp_path / "set.npz")


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_quantizing_gives_the_bytes_of_the_command_line(saved: tuple[Path, str], weights: str, tmp_path: Path) -> None:
    base, data = saved
    words = ["quantize", str(base), "--data", data, "--calibration-size", "30", "--weights", weights]
    assert run_cli([*words, "-o", str(tmp_path / "q.onnx")]) == 0
    small = co.quantize(base, data, calibration_size=30, weights=weights)
    assert small.serialized() == (tmp_path / "q.onnx").read_bytes()
    assert small.sha256 == Model.of(tmp_path / "q.onnx").sha256


@pytest.mark.parametrize("repaired", [False, True])
def test_pruning_gives_the_bytes_of_the_command_line(
    saved: tuple[Path, str], *, repaired: bool, tmp_path: Path
) -> None:
    base, data = saved
    images = ["--data", data, "--repair-size", "30"] if repaired else []
    assert run_cli(["prune", str(base), "--sparsity", "0.4", *images, "-o", str(tmp_path / "p.onnx")]) == 0
    pruned = co.prune(base, sparsity=0.4, data=data if repaired else None, repair_size=30)
    assert pruned.serialized() == (tmp_path / "p.onnx").read_bytes()


def test_arguments_are_not_written_to() -> None:
    graph = classifier(0.1)
    before = graph.SerializeToString()
    co.prune(graph, sparsity=0.5)
    co.quantize(graph, pictures(60), calibration_size=30)
    assert graph.SerializeToString() == before


def test_calibrating_on_inputs_is_calibrating_on_the_pictures_they_came_from() -> None:
    from compress_onnx.data.preprocess import preprocess

    images, labels = pictures(60)
    form = Preprocessing(height=6, width=6, mean=(0.5,) * 3, std=(0.5,) * 3)
    first = co.quantize(classifier(), (images, labels), calibration_size=30)
    second = co.quantize(classifier(), [(preprocess(images, form), labels)], calibration_size=30)
    assert first.sha256 == second.sha256


def test_options_are_checked_as_on_the_command_line() -> None:
    with pytest.raises(OptionError, match="sparsity"):
        co.prune(classifier(), sparsity=1.0)
    with pytest.raises(OptionError, match="with --search"):
        co.prune(classifier(), search=True)
    with pytest.raises(DataError, match="images"):
        co.quantize(classifier(), pictures(6), calibration_size=30)


def test_a_network_is_exported_with_its_preprocessing() -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 6 * 6, 3))
    form = Preprocessing(height=6, width=6, mean=(0.5,) * 3, std=(0.5,) * 3)
    model = co.export(module, preprocessing=form, class_names=("a", "b", "c"))
    assert model.embedded.preprocessing == form
    assert model.signature.classes == 3
    with pytest.raises(OptionError, match="the preprocessing"):
        co.export(module)
