"""``export`` as a user asks for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from compress_onnx.files import sha256_of_file  # noqa: E402  # after the skips
from compress_onnx.model.files import load_model, model_sha256  # noqa: E402
from compress_onnx.model.metadata import read_embedded  # noqa: E402

NETWORK = """
import torch

def net():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 3))
"""
FORM = ("--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25")


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from safetensors.torch import save_file

    (tmp_path / "flat_net.py").write_text(NETWORK)
    weight = torch.linspace(-1, 1, 576).reshape(3, 192)
    save_file({"1.weight": weight, "1.bias": torch.tensor([1.0, 2.0, 3.0])}, tmp_path / "own.safetensors")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "flat_net", raising=False)
    return tmp_path / "own.safetensors"


@pytest.mark.slow
def test_a_checkpoint_of_one_s_own_is_written_where_asked_and_computes_its_weights(
    cli: Any, shelf: Any, checkpoint: Path, tmp_path: Path
) -> None:
    words = ("--factory", "flat_net:net", "--data", shelf.data, "--size", "8", *FORM, "-o", tmp_path / "x.onnx")
    answer = cli("export", checkpoint, *words, "--json")
    assert answer.code == 0, answer.err
    model = load_model(tmp_path / "x.onnx")
    assert answer.json["path"] == str(tmp_path / "x.onnx")
    assert answer.json["sha256"] == model_sha256(model)
    assert 0 <= answer.json["parity"] <= 1e-4
    embedded = read_embedded(model)
    assert embedded.class_names == ("a", "b", "c")
    assert embedded.preprocessing is not None
    assert (embedded.preprocessing.height, embedded.preprocessing.std) == (8, (0.25,) * 3)
    images = np.random.default_rng(0).standard_normal((4, 3, 8, 8)).astype(np.float32)
    session = ort.InferenceSession(tmp_path / "x.onnx", providers=["CPUExecutionProvider"])
    expected = images.reshape(4, -1) @ np.linspace(-1, 1, 576).reshape(3, 192).T + [1, 2, 3]
    np.testing.assert_allclose(session.run(None, {session.get_inputs()[0].name: images})[0], expected, atol=1e-4)


@pytest.mark.slow
def test_without_output_the_file_is_named_after_the_checkpoint_and_its_parity_is_said(
    cli: Any, checkpoint: Path, tmp_path: Path
) -> None:
    answer = cli("export", checkpoint, "--factory", "flat_net:net", "--size", "8", *FORM)
    assert answer.code == 0, answer.err
    assert answer.out.startswith("own.onnx: max |Δlogit| is ")
    assert (tmp_path / "own.onnx").is_file()
    first = sha256_of_file(tmp_path / "own.onnx")
    assert cli("export", checkpoint, "--factory", "flat_net:net", "--size", "8", *FORM).code == 0
    assert sha256_of_file(tmp_path / "own.onnx") == first


def test_a_layout_that_torch_modules_do_not_take_is_refused(cli: Any, checkpoint: Path, tmp_path: Path) -> None:
    answer = cli("export", checkpoint, "--factory", "flat_net:net", "--size", "8", *FORM, "--layout", "NHWC")
    assert answer.code == 2
    assert "Expected --layout NCHW, as torch modules take it, got 'NHWC'" in answer.err
    assert not list(tmp_path.glob("*.onnx"))


@pytest.mark.slow
def test_a_trained_network_is_exported_by_name_and_knows_its_digits(cli: Any, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    path = tmp_path / "lenet5-digits.onnx"
    answer = cli("export", "lenet5-digits", "-o", path)
    assert answer.code == 0, answer.err
    embedded = read_embedded(load_model(path))
    assert embedded.class_names == tuple("0123456789")
    assert [step.name for step in embedded.recipe] == ["export"]
