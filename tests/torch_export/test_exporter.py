"""Exported graphs are clean, complete, repeatable, and compute what the module computes."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from torch import nn  # noqa: E402  # only where torch is

from compress_onnx.errors import ModelError, ParityError  # noqa: E402  # after the skip
from compress_onnx.model.census.prunable import prunable_initializers  # noqa: E402
from compress_onnx.model.files import model_bytes, model_sha256  # noqa: E402
from compress_onnx.model.metadata import Embedded, read_embedded  # noqa: E402
from compress_onnx.model.signature import Signature, signature_of  # noqa: E402
from compress_onnx.records.artifacts import Preprocessing, RecipeStep  # noqa: E402  # after the skip
from compress_onnx.torch_export.exporter import export_module  # noqa: E402  # only where torch is
from compress_onnx.torch_export.parity import check_parity  # noqa: E402  # only where torch is

Images = NDArray[np.float32]
Runner = Callable[[onnx.ModelProto], Callable[[Images], Images]]
SMALL = Preprocessing(height=8, width=8, mean=(0.5,) * 3, std=(0.25,) * 3)
FULL = Preprocessing(height=32, width=32, mean=(0.5,) * 3, std=(0.25,) * 3)
NAMES = ("a", "b", "c", "d", "é")
LEFTOVERS = {"Shape", "Concat", "Squeeze", "Unsqueeze", "Gather", "Constant", "Identity", "Cast", "Slice", "Expand"}

GOLDEN = """\
input (batch, 3, 8, 8) -> logits (batch, 5)
Conv input conv.weight zeros
BatchNormalization _ bn.weight bn.bias bn.running_mean bn.running_var
Relu _
MaxPool _
Reshape _ [-1, 96]
Gemm _ fc.weight fc.bias
"""


def ops(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def as_text(model: onnx.ModelProto) -> str:
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    ends = [
        f"{value.name} ({', '.join(dim.dim_param or str(dim.dim_value) for dim in value.type.tensor_type.shape.dim)})"
        for value in (model.graph.input[0], model.graph.output[0])
    ]
    lines = [" -> ".join(ends)]
    made = {name for node in model.graph.node for name in node.output}
    words = dict.fromkeys(made, "_") | {name: _word(name, values) for name, values in stored.items()}
    lines += [" ".join([node.op_type, *(words.get(name, name) for name in node.input)]) for node in model.graph.node]
    return "\n".join(lines) + "\n"


def _word(name: str, values: NDArray[Any]) -> str:
    """Name a tensor; one of the exporter's own, numbered from version to version, by what it holds."""
    if values.dtype == np.int64:
        return str(values.tolist())
    return name if values.any() or "." in name else "zeros"


def random_images(n: int, size: int) -> Images:
    return np.random.default_rng(n).standard_normal((n, 3, size, size), dtype=np.float32)


@pytest.fixture(scope="module")
def exported(make_small: Callable[[], nn.Module]) -> onnx.ModelProto:
    return export_module(make_small(), SMALL, NAMES)


def test_the_graph_of_a_small_module(exported: onnx.ModelProto) -> None:
    assert as_text(exported) == GOLDEN


def test_batch_norm_keeps_its_four_tensors_even_where_they_are_equal() -> None:
    fresh = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 5))
    model = export_module(fresh, SMALL, NAMES)
    norm = next(node for node in model.graph.node if node.op_type == "BatchNormalization")
    assert len(set(norm.input[1:])) == 4
    assert set(norm.input[1:]) <= {tensor.name for tensor in model.graph.initializer}


def test_weights_keep_their_names_and_values(small: nn.Module, exported: onnx.ModelProto) -> None:
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in exported.graph.initializer}
    for name, parameter in small.state_dict().items():
        if name != "bn.num_batches_tracked":
            np.testing.assert_array_equal(stored[name], parameter.numpy())
    assert list(prunable_initializers(exported)) == ["conv.weight", "fc.weight"]


def test_any_batch_goes_in_and_logits_come_out(small: nn.Module, exported: onnx.ModelProto, runner: Runner) -> None:
    assert signature_of(exported) == Signature(
        input_name="input", output_name="logits", image_shape=(3, 8, 8), fixed_batch=None, classes=5
    )
    run = runner(exported)
    images = random_images(7, 8)
    whole = run(images)
    np.testing.assert_allclose(np.concatenate([run(image[None]) for image in images]), whole, atol=1e-5)
    assert check_parity(small, run, images, where="small") < 1e-4


def test_fold_folds(small: nn.Module, runner: Runner) -> None:
    model = export_module(small, SMALL, NAMES, fold=True)
    assert ops(model) == ["Conv", "Relu", "MaxPool", "Reshape", "Gemm"]
    assert b".py" not in model_bytes(model)
    assert check_parity(small, runner(model), random_images(7, 8), where="small") < 1e-4
    assert read_embedded(model).recipe[0].options == {"opset": 21, "fold": True}


def test_opset_producer_and_facts(exported: onnx.ModelProto) -> None:
    assert [(entry.domain, entry.version) for entry in exported.opset_import] == [("", 21)]
    assert (exported.producer_name, exported.producer_version) == ("compress-onnx", "")
    step = RecipeStep(name="export", options={"opset": 21, "fold": False}, seconds=0.0)
    assert read_embedded(exported) == Embedded(preprocessing=SMALL, class_names=NAMES, recipe=(step,))


def test_nothing_leaks_into_the_file(exported: onnx.ModelProto) -> None:
    content = model_bytes(exported)
    for leak in (b".py", b"/home", b"/tmp", b"site-packages", b"stack_trace", b"forward"):  # not used
        assert leak not in content


def test_equal_input_gives_equal_bytes(small: nn.Module, exported: onnx.ModelProto) -> None:
    assert model_sha256(export_module(small, SMALL, NAMES)) == model_sha256(exported)


def test_one_channel_is_exported_too() -> None:
    gray = Preprocessing(height=6, width=10, mean=(0.5,), std=(0.5,))
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(64, 5))
    model = export_module(module, gray, NAMES)
    assert signature_of(model).image_shape == (1, 6, 10)


def test_every_part_returns_to_its_mode(small: nn.Module) -> None:
    small.bn.eval()  # a frozen BatchNorm in a module that trains
    before = {name: part.training for name, part in small.named_modules()}
    state = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    export_module(small, SMALL, NAMES)
    assert {name: part.training for name, part in small.named_modules()} == before
    assert before[""]
    assert not before["bn"]
    for name, tensor in small.state_dict().items():
        assert torch.equal(tensor, state[name])


class Branching(nn.Flatten):
    def forward(self, images: Any) -> Any:
        return super().forward(images if images.sum() > 0 else -images)


class Raising(nn.Module):
    def forward(self, images: Any) -> Any:
        message = "needs a camera"
        raise ValueError(message)


class Mute(nn.Module):
    def forward(self, images: Any) -> Any:
        raise RuntimeError


class TwoInputs(nn.Module):
    def forward(self, images: Any, more: Any) -> Any:
        return images + more


class OneBatch(nn.Module):
    def forward(self, images: Any) -> Any:
        return images.view(2, -1)


CANNOT = [
    (Branching(), r"can export to ONNX with a dynamic batch, got .*data-dependent.*\(Branching\)"),
    (Raising(), r"ValueError: needs a camera \(Raising\)"),
    (Mute(), r"RuntimeError: no message \(Mute\)"),
    (TwoInputs(), r"TypeError: .*'more'.*\(TwoInputs\)"),
    (OneBatch(), r"batches of any size, got one that takes 2 images \(OneBatch\)"),
    (nn.Linear(9, 5), r"RuntimeError: .*\(Linear\)"),
    (nn.Conv2d(3, 5, 3), r"classification output \(N, C\) in float32, got .*\(\?, 5, 6, 6\) \(Conv2d\)"),
]


@pytest.mark.parametrize(("module", "message"), CANNOT, ids=[type(module).__name__ for module, _ in CANNOT])
def test_what_cannot_be_exported_is_said_in_one_sentence(
    module: nn.Module, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    disabled = logging.root.manager.disable
    with pytest.raises(ModelError, match=message) as caught:
        export_module(module, SMALL, NAMES)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert module.training
    assert capsys.readouterr() == ("", "")
    assert logging.root.manager.disable == disabled


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(192, 5)

    def forward(self, images: Any) -> Any:
        return nn.functional.dropout(self.fc(torch.flatten(images, 1)), 0.5, training=True)


def test_a_module_that_depends_on_randomness_fails_parity(runner: Runner) -> None:
    module = Noisy()
    model = export_module(module, SMALL, NAMES)
    with pytest.raises(ParityError, match=r"logits within 0\.0001 .*\(noisy\)\. .*deterministic"):
        check_parity(module, runner(model), random_images(16, 8), where="noisy")


def test_lenet_is_exported_cleanly(runner: Runner) -> None:
    _expect_clean_and_equal(
        "lenet5", runner, ["Conv", "Relu", "MaxPool"] * 2 + ["Reshape"] + ["Gemm", "Relu"] * 2 + ["Gemm"]
    )


@pytest.mark.slow
def test_squeezenet_is_exported_cleanly(runner: Runner) -> None:
    model = _expect_clean_and_equal("squeezenet", runner)
    assert ops(model).count("Conv") == 26
    assert ops(model).count("Concat") == 8  # the fire modules join channels; no shape is computed


@pytest.mark.slow
def test_resnet_is_exported_cleanly(runner: Runner) -> None:
    model = _expect_clean_and_equal("resnet18", runner)
    assert ops(model).count("Conv") == ops(model).count("BatchNormalization") == 20
    folded = _expect_clean_and_equal("resnet18", runner, fold=True)
    assert ops(folded).count("Conv") == 20
    assert "BatchNormalization" not in ops(folded)


def _expect_clean_and_equal(
    name: str, runner: Runner, expected: list[str] | None = None, *, fold: bool = False
) -> onnx.ModelProto:
    networks = pytest.importorskip("compress_onnx.zoo.networks")
    torch.manual_seed(1)
    module = networks.build(name, 43)
    model = export_module(module, FULL, (), fold=fold)
    assert expected is None or ops(model) == expected
    joins = {node.name for node in model.graph.node if node.op_type == "Concat" and len(node.input) == 2}
    assert not [n for n in model.graph.node if n.op_type in LEFTOVERS and n.name not in joins]
    assert b".py" not in model_bytes(model)
    assert check_parity(module, runner(model), random_images(5, 32), where=name) < 1e-4
    assert model_sha256(export_module(module, FULL, (), fold=fold)) == model_sha256(model)
    return model


@pytest.mark.slow
def test_another_process_gives_the_same_bytes() -> None:
    script = """
import torch
from compress_onnx.torch_export.exporter import export_module
from compress_onnx.model import model_sha256
from compress_onnx.records import Preprocessing
from compress_onnx.zoo.networks import build
torch.manual_seed(3)
facts = Preprocessing(height=32, width=32, mean=(0.5,) * 3, std=(0.25,) * 3)
print(model_sha256(export_module(build("lenet5", 10), facts, ("a",))))
"""
    hashes = {
        subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout
        for _ in range(2)
    }
    assert len(hashes) == 1
    assert len(hashes.pop().strip()) == 64
