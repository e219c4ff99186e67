"""Tap the tensors of a model, and run it on batches of images of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.model import model_bytes
from compress_onnx.ort.step_session import StepSession


def free_batch(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy that takes any batch where its nodes do: statistics need more than one image at once."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for value in (*copy.graph.input, *copy.graph.output):
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "repair_batch"
    del copy.graph.value_info[:]
    return copy


def tapped(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Return a copy that gives out the named tensors, of whatever type and shape they are, and nothing else."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return copy


def tensor_runner(
    model: onnx.ModelProto, names: Sequence[str]
) -> Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]:
    """Return a function from images (B, C, H, W) to the named tensors, which are outputs of the model.

    Errors
    ------
    ModelError
        if ONNX Runtime cannot load the model, or then run it.
    """
    expected = "a model that runs on batches of calibration images"
    session = StepSession(model_bytes(model), expected=expected, where="repair")
    image = session.session.get_inputs()[0].name

    def run(batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return session.outputs({image: batch}, names)

    return run
