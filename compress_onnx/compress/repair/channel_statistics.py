"""Mean and variance of channels in one forward pass, while every layer is put right on the way.

A layer's statistics depend on what the layers before it give, so they are measured behind repaired
layers: the graph itself renormalizes each such tensor by the batch at hand and tells the moments it met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.compress.calibration import LARGEST_FACTOR, Moments, MomentSums, floor_of
from compress_onnx.compress.layers import Repairable, RepairableLayer, RepairableNorm, stored
from compress_onnx.model import attribute, default_opset
from compress_onnx.ort import free_batch, tensor_runner

# Since opset 18 ReduceMean takes its axes as an input.
_AXES_AS_INPUT = 18
# Before opset 9 there is no Where.
_WHERE = 9
_PREFIX = "repair::"


def baseline_moments(
    model: onnx.ModelProto,
    repairables: Sequence[RepairableLayer],
    batches: Iterable[NDArray[np.float32]],
    *,
    seen: Callable[[int], None],
) -> dict[str, Moments]:
    """Return the moments of the layers' outputs as the model is, by tensor name."""
    graph = _Instrumented(model)
    return graph.measured(repairables, batches, targets=None, seen=seen)


def renormalized_moments(
    model: onnx.ModelProto,
    repairables: Sequence[Repairable],
    batches: Iterable[NDArray[np.float32]],
    *,
    targets: Mapping[str, Moments],
    seen: Callable[[int], None],
) -> dict[str, Moments]:
    """Return the moments met at each repairable node, by tensor name, with all before it put right.

    BatchNorms normalize by the batch (training mode); other layers are brought to ``targets``.
    """
    graph = _Instrumented(model)
    return graph.measured(repairables, batches, targets=targets, seen=seen)


def activation_bytes(model: onnx.ModelProto, repairables: Sequence[Repairable], image: NDArray[np.float32]) -> int:
    """Return the bytes of the largest tensor to measure for one image (1, C, H, W)."""
    shapes = _Instrumented(model).shapes([repairable.key for repairable in repairables], image)
    return max((4 * int(np.prod(shape)) for shape in shapes.values()), default=4 * image.size)


class _Instrumented:
    """A copy of a model that tells the moments of chosen tensors."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = free_batch(model)
        self.graph = self.model.graph
        self.nodes: list[onnx.NodeProto] = []

    def shapes(self, names: Sequence[str], image: NDArray[np.float32]) -> dict[str, tuple[int, ...]]:
        known = {value.name for value in self.graph.output}
        wanted = list(dict.fromkeys(names))
        if not wanted:
            return {}
        self.graph.output.extend(_output(name) for name in wanted if name not in known)
        return dict(zip(wanted, [np.shape(values) for values in tensor_runner(self.model, wanted)(image)], strict=True))

    def measured(
        self,
        repairables: Sequence[Repairable],
        batches: Iterable[NDArray[np.float32]],
        *,
        targets: Mapping[str, Moments] | None,
        seen: Callable[[int], None],
    ) -> dict[str, Moments]:
        run: Callable[[NDArray[np.float32]], list[NDArray[np.float32]]] | None = None
        if not repairables:
            return {}
        sums = [MomentSums() for _ in repairables]
        for batch in batches:
            run = run or self._instrumented_run(repairables, batch[:1], targets)
            moments = run(batch)
            for number, total in enumerate(sums):
                total.add(moments[2 * number], moments[2 * number + 1], weight=len(batch))
            seen(len(batch))
        return {
            repairable.key: total.moments(repairable.key) for repairable, total in zip(repairables, sums, strict=True)
        }

    def _instrumented_run(
        self, repairables: Sequence[Repairable], image: NDArray[np.float32], targets: Mapping[str, Moments] | None
    ) -> Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]:
        ranks = {
            name: len(shape) for name, shape in _Instrumented(self.model).shapes(_keys(repairables), image).items()
        }
        at = {repairable.node.output[0]: repairable for repairable in repairables}
        for node in list(self.graph.node):
            repairable = at.get(node.output[0])
            if repairable is None:
                self._add(node)
            elif isinstance(repairable, RepairableNorm):
                self._normalized(repairable, ranks[repairable.key])
            else:
                self._matched(
                    node, ranks[repairable.key], repairable, None if targets is None else targets[repairable.key]
                )
        del self.graph.node[:], self.graph.value_info[:]
        self.graph.node.extend(self.nodes)
        names = [f"{_PREFIX}{repairable.key}::{what}" for repairable in repairables for what in ("mean", "variance")]
        self.graph.output.extend(_output(name) for name in names)
        return tensor_runner(self.model, names)

    def _add(self, node: onnx.NodeProto) -> None:
        self.nodes.append(onnx.NodeProto.FromString(node.SerializeToString()))

    def _do(self, op: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def _constant(self, name: str, values: NDArray[np.float64], shape: Sequence[int]) -> str:
        self.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32).reshape(shape), name))
        return name

    def _centered(self, tensor: str, p: str, axes: Sequence[int]) -> tuple[str, str]:
        """Tell mean and variance of a tensor; return the names of the centered tensor and of its variance."""
        mean = self._mean(tensor, f"{p}::mean", axes)
        centered = self._do("Sub", [tensor, mean], f"{p}::centered")
        squared = self._do("Mul", [centered, centered], f"{p}::squared")
        return centered, self._mean(squared, f"{p}::variance", axes)

    def _mean(self, tensor: str, output: str, axes: Sequence[int]) -> str:
        if default_opset(self.model) < _AXES_AS_INPUT:
            return self._do("ReduceMean", [tensor], output, axes=list(axes), keepdims=1)
        self.graph.initializer.append(numpy_helper.from_array(np.array(axes, np.int64), f"{output}::axes"))
        return self._do("ReduceMean", [tensor, f"{output}::axes"], output, keepdims=1)

    def _normalized(self, repairable: RepairableNorm, rank: int) -> None:
        """Replace a BatchNorm: scale * (x - mean) / sqrt(variance + epsilon) + shift over the batch (Ioffe 2015)."""
        p, shape = _PREFIX + repairable.key, _shape(repairable, rank)
        tensors = stored(self.model)
        scale, shift = (numpy_helper.to_array(tensors[name]).astype(np.float64) for name in repairable.node.input[1:3])
        centered, variance = self._centered(repairable.key, p, _axes(repairable, rank))
        room = self._constant(f"{p}::epsilon", np.array(attribute(repairable.node, "epsilon", 1e-5)), ())
        spread = self._do("Sqrt", [self._do("Add", [variance, room], f"{p}::roomy")], f"{p}::spread")
        factor = self._do("Div", [self._constant(f"{p}::scale", scale, shape), spread], f"{p}::factor")
        scaled = self._do("Mul", [centered, factor], f"{p}::scaled")
        self._do("Add", [scaled, self._constant(f"{p}::shift", shift, shape)], repairable.node.output[0])

    def _matched(self, node: onnx.NodeProto, rank: int, repairable: RepairableLayer, target: Moments | None) -> None:
        """Bring a layer's output to the target's mean and spread, or only look at it without a target."""
        p, shape, axes = _PREFIX + repairable.key, _shape(repairable, rank), _axes(repairable, rank)
        self._add(node)
        if target is None:
            self._centered(repairable.key, p, axes)
            return
        self.nodes[-1].output[0] = f"{p}::raw"
        centered, variance = self._centered(f"{p}::raw", p, axes)
        factor = self._factor(p, self._do("Sqrt", [variance], f"{p}::std"), target.std, shape)
        scaled = self._do("Mul", [centered, factor], f"{p}::scaled")
        self._do("Add", [scaled, self._constant(f"{p}::target", target.mean, shape)], repairable.key)

    def _factor(self, p: str, std: str, wanted: NDArray[np.float64], shape: Sequence[int]) -> str:
        """Say :func:`compress_onnx.compress.calibration.channel_moments.factors` in ONNX."""
        floor = self._constant(f"{p}::floor", floor_of(wanted), shape)
        safe = self._do("Max", [std, floor], f"{p}::safe")
        ratio = self._do("Div", [self._constant(f"{p}::wanted", wanted, shape), safe], f"{p}::ratio")
        # As long as the channels: before opset 8 Max and Min take equal shapes only.
        low = self._constant(f"{p}::low", np.full_like(wanted, 1 / LARGEST_FACTOR), shape)
        high = self._constant(f"{p}::high", np.full_like(wanted, LARGEST_FACTOR), shape)
        bounded = self._do("Min", [self._do("Max", [ratio, low], f"{p}::above"), high], f"{p}::within")
        alive = self._do("Greater", [std, floor], f"{p}::alive")
        one = self._constant(f"{p}::one", np.array(1.0), ())
        if default_opset(self.model) >= _WHERE:
            return self._do("Where", [alive, bounded, one], f"{p}::factor")
        # 1 + alive (bounded - 1); bounded is a number, since it lies within bounds.
        share = self._do("Cast", [alive], f"{p}::share", to=TensorProto.FLOAT)
        more = self._do("Sub", [bounded, one], f"{p}::more")
        return self._do("Add", [self._do("Mul", [share, more], f"{p}::added"), one], f"{p}::factor")


def _keys(repairables: Sequence[Repairable]) -> list[str]:
    return [repairable.key for repairable in repairables]


def _output(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)


def _channel_axis(repairable: Repairable, rank: int) -> int:
    return 1 if repairable.channels_first else rank - 1


def _axes(repairable: Repairable, rank: int) -> list[int]:
    return [axis for axis in range(rank) if axis != _channel_axis(repairable, rank)]


def _shape(repairable: Repairable, rank: int) -> list[int]:
    return [-1 if axis == _channel_axis(repairable, rank) else 1 for axis in range(rank)]
