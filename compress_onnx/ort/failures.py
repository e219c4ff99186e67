"""What ONNX Runtime raises, its quantizer too, said in one sentence that names the node."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import FrameType, TracebackType

import onnx
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from compress_onnx.errors import CompressOnnxError, ModelError

# ORT's exceptions share no base class but Exception, and their list grows with its versions.
_RUNTIME_FAILURES = tuple(
    kind for kind in vars(ort_state).values() if isinstance(kind, type) and issubclass(kind, Exception)
)
_LONGEST = 240


@contextlib.contextmanager
def step_failures(expected: str, *, where: object) -> Iterator[None]:
    """Turn what ONNX Runtime raises within the block into :class:`ModelError`."""
    try:
        yield
    except _RUNTIME_FAILURES as error:
        raise ModelError(expected, _plain(error), where=where, remedy="Export the model again or repair it.") from error


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
            f"{type(error).__name__} {_plain(error)!r}{_at(error.__traceback__)}",
            where="quantize",
            remedy="Export that layer as plain Conv, Gemm or MatMul with constant weights and bias.",
        ) from error


def _plain(error: Exception) -> str:
    return " ".join(str(error).split())[:_LONGEST].rstrip(".") or type(error).__name__


def _at(trace: TracebackType | None) -> str:
    """Return the node or tensor that the innermost of the quantizer's functions was busy with."""
    found = ""
    while trace is not None:
        found = _named(trace.tb_frame) or found
        trace = trace.tb_next
    return found


def _named(frame: FrameType) -> str:
    known = frame.f_locals
    node, bias = known.get("node"), known.get("bias_info")
    if isinstance(node, onnx.NodeProto):
        return f" at node {node.name or node.output[0]!r} ({node.op_type})"
    if bias is not None and hasattr(bias, "node_name"):
        return f" at the bias of node {bias.node_name!r}"
    name = known.get("tensor_name") or known.get("weight_name")
    return f" at tensor {name!r}" if isinstance(name, str) else ""
