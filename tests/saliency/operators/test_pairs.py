"""Quantize and Dequantize become one, and a ReLU that a quantizer swallowed is marked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper

torch = pytest.importorskip("torch")
from torch import fx  # noqa: E402  # after the skip

from compress_onnx.saliency.operators.pairs import fuse_pairs  # noqa: E402
from compress_onnx.saliency.operators.pooling import AveragePool  # noqa: E402
from compress_onnx.saliency.operators.quantization import (  # noqa: E402
    Dequantize,
    FakeQuantize,
    Quantize,
    RectifyingFakeQuantize,
    RectifyingQuantize,
)
from compress_onnx.saliency.operators.window import Window2d  # noqa: E402
from compress_onnx.saliency.twin import build_twin  # noqa: E402
from tests.saliency.small_models import head, head_weight, input_gradient, logits, model_of  # noqa: E402


def test_pairs_become_one_fake_quantization_and_weights_are_dequantized_beforehand(quantized: Any) -> None:
    kinds = [type(module) for module in build_twin(quantized).modules()]
    assert sum(issubclass(kind, FakeQuantize) for kind in kinds) == sum(
        node.op_type == "QuantizeLinear" for node in quantized.graph.node
    )
    assert Quantize not in kinds
    assert Dequantize not in kinds


def test_a_quantize_whose_dequantize_comes_later_keeps_values_and_gradients(runtime: Any) -> None:
    scale, zero = numpy_helper.from_array(np.float32(0.25), "scale"), numpy_helper.from_array(np.int8(3), "zero")
    nodes = [
        helper.make_node("QuantizeLinear", ["input", "scale", "zero"], ["q"], "q"),
        helper.make_node("Transpose", ["q"], ["t"], "t", perm=[0, 2, 3, 1]),
        helper.make_node("DequantizeLinear", ["t", "scale", "zero"], ["d"], "d"),
        *head("d"),
    ]
    model = model_of(nodes, scale, zero, head_weight())
    images = np.random.default_rng(0).standard_normal((3, 3, 4, 4), dtype=np.float32)
    np.testing.assert_allclose(logits(build_twin(model), images), runtime(model, images), atol=1e-5)
    assert np.count_nonzero(input_gradient(build_twin(model), images, np.zeros(3, np.int64))) == images.size


class WholeModules(fx.Tracer):
    def is_leaf_module(self, *_: Any) -> bool:
        return True


def fused(module: Any) -> fx.GraphModule:
    """The module's graph, one node per child, after fusing."""
    graph = fx.GraphModule(module, WholeModules().trace(module))
    fuse_pairs(graph)
    return graph.eval()


def chain(*modules: Any) -> fx.GraphModule:
    return fused(torch.nn.Sequential(*modules))


def kinds(graph: fx.GraphModule) -> list[type]:
    modules = dict(graph.named_modules())
    return [type(modules[str(node.target)]) for node in graph.graph.nodes if node.op == "call_module"]


def pair(scale: Any = 0.1, point: float = 0, limits: tuple[int, int] = (0, 255), *, other: Any = None) -> Any:
    size, zero = torch.tensor(scale), torch.full_like(torch.tensor(scale), point)
    return Quantize(size, zero, 1, limits), Dequantize(size if other is None else torch.tensor(other), zero.clone(), 1)


IMAGES = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 4, 4)).astype(np.float32) * 9)


@pytest.mark.parametrize("point", [0, 3, 255])
@pytest.mark.parametrize("source", [torch.nn.Sigmoid, torch.nn.Identity, torch.nn.ReLU])
def test_a_fused_pair_computes_what_the_two_computed(source: Any, point: float) -> None:
    first, second = pair(point=point)
    expected = second(first(source()(IMAGES)))
    graph = chain(source(), first, second)
    assert kinds(graph) == [source, FakeQuantize]
    np.testing.assert_allclose(graph(IMAGES).numpy(), expected.numpy(), rtol=1e-6)


@pytest.mark.parametrize(("limits", "point"), [((0, 255), 0), ((-128, 127), -128)])
def test_a_quantizer_that_cuts_off_all_negatives_of_a_signed_value_is_marked_as_a_relu(
    limits: tuple[int, int], point: float
) -> None:
    convolution = torch.nn.Conv2d(3, 2, 1)
    assert kinds(chain(convolution, *pair(point=point, limits=limits)))[1] is RectifyingFakeQuantize
    assert kinds(chain(convolution, *pair(point=point + 1, limits=limits)))[1] is FakeQuantize
    assert kinds(chain(torch.nn.Sigmoid(), *pair(point=point, limits=limits)))[1] is FakeQuantize


def test_the_image_itself_was_never_rectified() -> None:
    assert kinds(chain(*pair())) == [FakeQuantize]


def test_a_quantize_apart_from_its_dequantize_is_marked_too() -> None:
    first, second = pair()
    graph = chain(torch.nn.Conv2d(3, 2, 1), first, torch.nn.Flatten(), second)
    assert kinds(graph)[1:] == [RectifyingQuantize, torch.nn.Flatten, Dequantize]
    convolution = graph.get_submodule("0")
    with torch.no_grad():
        assert torch.equal(graph(IMAGES), second(torch.nn.Flatten()(first(convolution(IMAGES)))))


@pytest.mark.parametrize(
    "modules",
    [
        pair(scale=[0.1, 0.2, 0.3]),
        pair(other=0.2),
        (pair()[0], pair(point=1)[1]),
    ],
    ids=["a scale per channel", "another scale", "another zero point"],
)
def test_two_that_do_not_undo_each_other_one_to_one_stay_two(modules: Any) -> None:
    expected = modules[1](modules[0](IMAGES))
    graph = chain(*modules)
    assert kinds(graph) == [Quantize, Dequantize]
    assert torch.equal(graph(IMAGES), expected)


class Branches(torch.nn.Module):
    """One Quantize whose integers two modules read."""

    def __init__(self, left: Any, right: Any) -> None:
        super().__init__()
        self.first, second = pair(point=7)
        self.left, self.right = (second if one is None else one for one in (left, right))

    def forward(self, images: Any) -> Any:
        levels = self.first(images)
        return self.left(levels) + self.right(levels)


def test_all_dequantizes_of_one_quantize_become_one_with_it() -> None:
    module = Branches(pair(point=7)[1], None)
    expected = module(IMAGES)
    graph = fused(module)
    assert kinds(graph) == [FakeQuantize]
    np.testing.assert_allclose(graph(IMAGES).numpy(), expected.numpy(), rtol=1e-6)


def test_integers_that_something_else_reads_too_stay_integers() -> None:
    module = Branches(torch.nn.Identity(), None)
    expected = module(IMAGES)
    graph = fused(module)
    assert sorted(kind.__name__ for kind in kinds(graph)) == ["Dequantize", "Identity", "Quantize"]
    assert torch.equal(graph(IMAGES), expected)


@pytest.mark.parametrize("pooling", ["torch", "own"])
def test_a_mean_of_integers_is_rounded_with_the_zero_point_and_a_mean_of_floats_without(pooling: str) -> None:
    # Values on the levels of an odd zero point: many means of four are halves.
    values = torch.round(IMAGES / 2)
    pool = (
        torch.nn.AvgPool2d(2)
        if pooling == "torch"
        else AveragePool(Window2d(kernel=(2, 2), strides=(2, 2)), count_border=True)
    )
    means = pool(values).numpy()
    assert (means % 1 == 0.5).any()
    of_floats = chain(pool, *pair(scale=1.0, point=101))
    np.testing.assert_array_equal(of_floats(values).numpy(), np.rint(means))
    of_integers = chain(*pair(scale=1.0, point=101), pool, *pair(scale=1.0, point=101))
    np.testing.assert_array_equal(of_integers(values).numpy(), np.rint(means + 101) - 101)
    wider = chain(*pair(scale=1.0, point=101), pool, *pair(scale=1.0, point=101, limits=(0, 65535)))
    np.testing.assert_array_equal(wider(values).numpy(), np.rint(means))
