"""What ONNX Runtime raises, its quantizer too, said in one sentence that names the node."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from types import FrameType, TracebackType

import onnx
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from compress_onnx.errors import CompressOnnxError, ModelError

# ORT's exceptions share no base class but Exception, and their list grows with its versions.
_RUNTIME_FAILURES = tuple(
    kind for kind in vars(ort_state).values() if isinstance(kind, type) and issubclass(kind, Exception)
)
_CODE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
# Where in ORT's own sources a check failed, with the C++ signature: noise to a user.
_SOURCE = re.compile(r"/\S*onnxruntime/\S+:\d+ .*?\)(?: const)? (?=\S)")
_LONGEST = 240
RUNS = "a model that ONNX Runtime can run"
LOADS = "a model that ONNX Runtime loads"


@contextlib.contextmanager
def runtime_failures(where: object, *, expected: str = RUNS) -> Iterator[None]:
    """Turn ORT's exceptions inside the block into :class:`ModelError`.

    Errors
    ------
    ModelError
        if the block raised one of ORT's own exceptions.
    """
    try:
        yield
    except _RUNTIME_FAILURES as error:
        raise refusal(str(error), where=where, expected=expected) from error


def refusal(message: str, *, where: object, expected: str = RUNS) -> ModelError:
    """Return the error for a model that ORT refused with a message of its own, here or in another process."""
    return ModelError(
        expected,
        f"its answer {plain_message(message)!r}",
        where=where,
        remedy="Check the model and its input, or export it again.",
    )


def plain_message(message: str) -> str:
    """Return what ORT complains of, on one line and without codes and C++ sources.

    >>> plain_message("[ONNXRuntimeError] : 1 : FAIL : /a/onnxruntime/core/graph/m.cc:256 A::B(int) Bad version: 99")
    'Bad version: 99'
    """
    line = " ".join(message.split())
    return _SOURCE.sub("", _CODE.sub("", line))[:_LONGEST].rstrip(" .")


@contextlib.contextmanager
def quantizer_failures() -> Iterator[None]:
    """Turn what ONNX Runtime's quantizer raises within the block into :class:`ModelError` that names the node.

    Nothing but its calls belongs into the block.
    """
    try:
        yield
    except CompressOnnxError:
        raise
    except Exception as error:
        # It checks little: a graph it does not know ends in a KeyError, an IndexError, an AssertionError, whatever comes first.
        raise ModelError(
            "a graph that ONNX Runtime's quantizer understands",
            f"{type(error).__name__} {plain_message(str(error)) or type(error).__name__!r}{_at(error.__traceback__)}",
            where="quantize",
            remedy="Export that layer as plain Conv, Gemm or MatMul with constant weights and bias.",
        ) from error


def _at(trace: TracebackType | None) -> str:
    """Return the node or tensor that the innermost of the quantizer's functions was busy with."""
    place = ""
    while trace is not None:
        place = _named(trace.tb_frame) or place
        trace = trace.tb_next
    return place


def _named(frame: FrameType) -> str:
    local = frame.f_locals
    node, bias = local.get("node"), local.get("bias_info")
    if isinstance(node, onnx.NodeProto):
        return f" at node {node.name or node.output[0]!r} ({node.op_type})"
    if bias is not None and hasattr(bias, "node_name"):
        return f" at the bias of node {bias.node_name!r}"
    name = local.get("tensor_name") or local.get("weight_name")
    return f" at tensor {name!r}" if isinstance(name, str) else ""
