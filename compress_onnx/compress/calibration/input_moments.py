"""Second moments of what each layer's weights are multiplied with, measured on calibration images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import onnx
import scipy.linalg
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.compress.layers import Layout, layouts
from compress_onnx.model import attribute, copied, model_bytes, prunable_initializers, signature_of
from compress_onnx.ort import StepSession

# Images run at once: the patches of all of ResNet-18's layers are 0.2 GB then.
_CHUNK = 8
# Positions taken per image and layer: neighbors see nearly the same inputs, and 64 or all positions
# flipped as many predictions of LeNet-5. Of 512 images they are 8,192 inputs, twice a layer's width.
_POSITIONS = 16
_PATCHES = "::inputs"
_RUNS = "a model that runs on the calibration images"


class InputMoments:
    """Collects E[x x'] of each weight's inputs while calibration batches pass by.

    Measured are Conv of any rank (x is a patch of one group's channels), Gemm and MatMul of one
    matrix; a weight that several nodes share sums over them. Layers of more than ``widest`` inputs
    per output are left out, those whose weights are not ``only`` asked for, and those whose numbers are not float32.
    """

    def __init__(
        self, model: onnx.ModelProto, *, widest: int | None = None, only: frozenset[str] | None = None
    ) -> None:
        probed, self._probes = _instrumented(model, widest, only)
        expected = signature_of(model)
        self._input, self._chunk = expected.input_name, expected.fixed_batch or _CHUNK
        self._session = StepSession(model_bytes(probed), expected=_RUNS, where="calibration") if self._probes else None
        self._sums: dict[str, NDArray[np.float32]] = {}
        self._seen: dict[str, int] = {}

    def watching(self, batches: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Yield the batches (B, C, H, W) as they are, having measured them.

        Give chunks as :func:`fitting` cuts them, and the sums do not depend on the batches they came in.
        """
        for batch in batches:
            for start in range(0, len(batch), self._chunk):
                self._measure(batch[start : start + self._chunk])
            yield batch

    def found(self) -> dict[str, NDArray[np.float32]]:
        """Return E[x x'] (groups, D, D) by weight name; empty before any image was seen."""
        return {name: _symmetric(total) / np.float32(self._seen[name]) for name, total in self._sums.items()}

    def _measure(self, images: NDArray[np.float32]) -> None:
        if self._session is None:
            return
        outputs = self._session.outputs({self._input: images}, [output for output, _, _ in self._probes])
        for values, (_, name, groups) in zip(outputs, self._probes, strict=True):
            inputs = _inputs(values, groups)
            self._seen[name] = self._seen.get(name, 0) + inputs.shape[1]
            self._sums[name] = _added(self._sums.get(name), inputs)


def _added(total: NDArray[np.float32] | None, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return upper triangles (groups, D, D) of ``total + x' x`` for inputs x (groups, N, D); uses ``total`` up."""
    if total is None:
        total = np.zeros((len(inputs), inputs.shape[2], inputs.shape[2]), dtype=np.float32)
    # BLAS counts columns first: its lower triangle in place is the upper one here.
    for number, part in enumerate(inputs):
        scipy.linalg.blas.ssyrk(1.0, part.T, beta=1.0, c=total[number].T, lower=1, overwrite_c=1)
    return total


def _symmetric(upper: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.triu(upper) + np.triu(upper, 1).transpose(0, 2, 1)


def _inputs(values: NDArray[np.float32], groups: int) -> NDArray[np.float32]:
    """Return (groups, N, D) inputs of a Conv's patches (B, groups * D, ...) or, for 0, of rows (..., D)."""
    if not groups:
        return values.reshape(1, -1, values.shape[-1])
    flat = values.reshape(*values.shape[:2], -1)
    # Odd, so that a power of two as width does not put all of them in a few columns.
    step = -(-flat.shape[2] // _POSITIONS) | 1
    taken = flat[:, :, ::step].reshape(len(flat), groups, flat.shape[1] // groups, -1)
    return np.ascontiguousarray(taken.transpose(1, 0, 3, 2)).reshape(groups, -1, taken.shape[2])


def _instrumented(
    model: onnx.ModelProto, widest: int | None, only: frozenset[str] | None
) -> tuple[onnx.ModelProto, list[tuple[str, str, int]]]:
    """Return the model with more outputs, and of each its name, its weight and its groups (0: rows)."""
    copy = copied(model)
    tensors = prunable_initializers(model)
    # The probes are float32, and a node's inputs are of one type.
    known = {name: one for name, one in layouts(model).items() if tensors[name].data_type == TensorProto.FLOAT}
    probes = []
    for number, node in enumerate(model.graph.node):
        layout = known.get(node.input[1]) if len(node.input) > 1 else None
        if layout is None or not _measurable(node, layout) or (widest and layout.width > widest):
            continue
        if only is not None and node.input[1] not in only:
            continue
        output = f"{node.output[0]}{_PATCHES}{number}"
        probes.append((output, node.input[1], layout.groups if node.op_type == "Conv" else 0))
        copy.graph.node.append(_probe(node, layout, output))
        if node.op_type == "Conv":
            copy.graph.initializer.append(_one_hot(layout, output))
    copy.graph.output.extend(helper.make_tensor_value_info(probe[0], TensorProto.FLOAT, None) for probe in probes)
    return copy, probes


def _measurable(node: onnx.NodeProto, layout: Layout) -> bool:
    agrees = attribute(node, "group", 1) == layout.groups and layout.whole
    return agrees and node.op_type in {"Conv", "Gemm", "MatMul"} and not attribute(node, "transA", 0)


def _probe(node: onnx.NodeProto, layout: Layout, output: str) -> onnx.NodeProto:
    if node.op_type != "Conv":
        return helper.make_node("Identity", [node.input[0]], [output])
    # The same Conv, so that pads, strides and dilations are its own, but one filter per input value.
    patches = helper.make_node("Conv", [node.input[0], output + "::taps"], [output])
    patches.attribute.extend(entry for entry in node.attribute if entry.name != "group")
    patches.attribute.append(helper.make_attribute("group", layout.shape[1] * layout.groups))
    return patches


def _one_hot(layout: Layout, output: str) -> onnx.TensorProto:
    """Return filters (channels * K, 1, ...) that each pass one of a channel's K values."""
    channels, kernel = layout.shape[1] * layout.groups, layout.shape[2:]
    taps = int(np.prod(kernel))
    filters = np.tile(np.eye(taps, dtype=np.float32).reshape(taps, 1, *kernel), (channels, 1, *[1] * len(kernel)))
    return numpy_helper.from_array(filters, output + "::taps")
