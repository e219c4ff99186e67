"""Torch modules and checkpoints become checked files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from compress_onnx.data.images import ImageSet  # noqa: E402  # after the skips
from compress_onnx.errors import CheckpointError, DataError, OptionError, UnknownNameError  # noqa: E402
from compress_onnx.model.metadata import read_embedded  # noqa: E402
from compress_onnx.records.artifacts import Preprocessing  # noqa: E402
from compress_onnx.steps.export import checkpoint_exported, export_checked, own_images  # noqa: E402

FORM = Preprocessing(height=6, width=6, mean=(0.5,) * 3, std=(0.25,) * 3)
NETWORK = """
import torch

NUMBER = 3

def net():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(108, 3))

def of_size(size):
    return torch.nn.Linear(size, 3)

def nothing():
    return 7
"""


def network() -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(108, 3)).eval()


def logits(model: Any, images: Any) -> Any:
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(
        None, {model.graph.input[0].name: images}
    )[0]


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint beside the module that holds its network, in the working directory."""
    from safetensors.torch import save_file

    (tmp_path / "exported_net.py").write_text(NETWORK)
    save_file(network().state_dict(), tmp_path / "own.safetensors")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "exported_net", raising=False)
    return tmp_path / "own.safetensors"


@pytest.mark.slow
@pytest.mark.parametrize("with_images", [True, False])
def test_a_module_is_exported_with_its_names_and_its_parity(
    make_images: Callable[..., ImageSet], *, with_images: bool
) -> None:
    module, images = network(), make_images(30) if with_images else None
    result = export_checked(module, FORM, ("a", "b", "c"), images=images, fold=False)
    inputs = np.random.default_rng(0).standard_normal((5, 3, 6, 6)).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(logits(result.model, inputs), expected, rtol=1e-4, atol=1e-5)
    assert 0 <= result.parity <= 1e-4
    embedded = read_embedded(result.model)
    assert (embedded.preprocessing, embedded.class_names) == (FORM, ("a", "b", "c"))
    (step,) = result.recipe
    assert (step.name, step.seconds > 0, step.options["fold"]) == ("export", True, False)


@pytest.mark.slow
def test_as_many_names_as_classes_are_wanted() -> None:
    with pytest.raises(DataError, match="a model with 2 classes, as the data has, got 3 classes"):
        export_checked(network(), FORM, ("a", "b"), images=None, fold=False)


@pytest.mark.slow
def test_a_checkpoint_fills_the_module_of_its_factory(checkpoint: Path, make_images: Callable[..., ImageSet]) -> None:
    images = make_images(30)
    result = checkpoint_exported(checkpoint, "exported_net:net", FORM, images=images, fold=False)
    inputs = np.random.default_rng(0).standard_normal((5, 3, 6, 6)).astype(np.float32)
    with torch.no_grad():
        expected = network()(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(logits(result.model, inputs), expected, rtol=1e-4, atol=1e-5)
    assert read_embedded(result.model).class_names == images.info.class_names


@pytest.mark.parametrize(
    ("factory", "says"),
    [
        ("exported_net:nett", "a factory written package.module:callable, got 'exported_net:nett'"),
        ("no_such_net:net", "a factory written package.module:callable.*Run from the folder"),
        ("exported_net", "a factory written package.module:callable"),
        ("", "a factory written package.module:callable"),
        ("exported_net:NUMBER", "a callable factory, got int"),
        ("exported_net:of_size", "a factory without required arguments, got missing a required argument: 'size'"),
        ("exported_net:nothing", "a factory that returns a torch.nn.Module, got int"),
    ],
)
def test_a_factory_that_does_not_fit_is_one_sentence(checkpoint: Path, factory: str, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        checkpoint_exported(checkpoint, factory, FORM, images=None, fold=False)


def test_a_missing_checkpoint_is_refused(checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="a safetensors file"):
        checkpoint_exported(checkpoint.with_name("no.safetensors"), "exported_net:net", FORM, images=None, fold=False)


def test_own_images_are_the_test_split_of_the_data_a_model_was_trained_on() -> None:
    pytest.importorskip("sklearn")
    images = own_images("lenet5-digits")
    assert images is not None
    assert (images.info.name, images.info.split) == ("digits", "test")


def test_without_the_data_there_are_no_images_but_the_model_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise DataError("data", "none")

    monkeypatch.setattr("compress_onnx.steps.export.load_data", missing)
    assert own_images("lenet5-digits") is None
    with pytest.raises(UnknownNameError, match="Did you mean lenet5-digits"):
        own_images("lenet5-digit")
