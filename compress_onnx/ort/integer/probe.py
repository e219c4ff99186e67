"""Whether a CPU saturates the runtime's U8S8 products: asked by one node that runs there."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.ort.failures import runtime_failures
from compress_onnx.ort.session import open_session

_CHANNELS = 64
_TRUE_ANSWER = 200


@functools.cache
def saturates() -> bool:
    """Tell whether U8S8 products saturate int16 on this CPU, by running one node.

    A 1x1 QLinearConv over 64 channels, all activations 255 and all weights 127, with an output
    scale that makes the true answer 200: without VNNI, pairs of products stop at 32,767 and the
    answer is 101. The probe is right under emulation too, where the flag list is the host's.
    """
    session = open_session(saturation_probe())
    with runtime_failures("saturation probe"):
        (answer,) = session.run(None, {"x": probe_input()})
    return is_saturated(np.asarray(answer))


def probe_input() -> NDArray[np.uint8]:
    """Return what the probe is fed, (1, 64, 1, 1) uint8, as its input ``x``."""
    return np.full((1, _CHANNELS, 1, 1), 255, np.uint8)


def is_saturated(answer: NDArray[np.generic]) -> bool:
    """Tell from the probe's answer whether the CPU that gave it saturates.

    >>> is_saturated(np.full((1, 64, 1, 1), 101, np.uint8)), is_saturated(np.full((1, 64, 1, 1), 200, np.uint8))
    (True, False)
    """
    return bool((answer.astype(np.int64) < _TRUE_ANSWER).any())


def saturation_probe() -> bytes:
    """Return the probe's serialized model; see :func:`saturates`."""
    true_sum = _CHANNELS * 255 * 127
    constants = {
        "one": np.float32(1),
        "u8_zero": np.uint8(0),
        "s8_zero": np.int8(0),
        "w": np.full((_CHANNELS, _CHANNELS, 1, 1), 127, np.int8),
        "y_scale": np.float32(true_sum / _TRUE_ANSWER),
    }
    inputs = ["x", "one", "u8_zero", "w", "one", "s8_zero", "y_scale", "u8_zero"]
    shape = [1, _CHANNELS, 1, 1]
    graph = helper.make_graph(
        [helper.make_node("QLinearConv", inputs, ["y"])],
        "saturation_probe",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    # An IR version and opset that every supported runtime reads.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())
