"""Run a model on batches of calibration images, of any size and for any of its tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from compress_onnx.ort.failures import step_failures
from compress_onnx.ort.session import quiet_options


def free_batch(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy that takes any batch where its nodes do: statistics need more than one image at once."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for value in (*copy.graph.input, *copy.graph.output):
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "repair_batch"
    del copy.graph.value_info[:]
    return copy


def tensor_runner(
    model: onnx.ModelProto, names: Sequence[str]
) -> Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]:
    """Return a function from images (B, C, H, W) to the named tensors.

    Errors
    ------
    ModelError
        if ONNX Runtime cannot load the model, or then run it.
    """
    options = quiet_options()
    with step_failures("a model that ONNX Runtime loads", where="repair"):
        session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    fed = session.get_inputs()[0].name

    def run(batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        with step_failures("a model that runs on batches of calibration images", where="repair"):
            return [np.asarray(found) for found in session.run(list(names), {fed: batch})]

    return run
