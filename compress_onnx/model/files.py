"""Read and write ``.onnx`` files: checked on reading, whole and byte-for-byte repeatable on writing."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import numpy_helper

from compress_onnx.errors import ModelError
from compress_onnx.files import sha256_of, write_bytes
from compress_onnx.model.checks import hidden_names, put_in_order
from compress_onnx.model.constants import stored_tensors
from compress_onnx.model.identity import MAX_BYTES, WholeModel, whole_model

_MAX_BYTES = MAX_BYTES
# What onnx.checker says of nodes that stand before what they read.
_OUT_OF_ORDER = "topologically sorted"


def load_model(path: Path) -> onnx.ModelProto:
    """Read an ONNX file's graph, as :func:`~compress_onnx.model.model.read_model` does.

    Errors
    ------
    ModelError
        as there.
    """
    return checked_graph(whole_model(path))


def checked_graph(whole: WholeModel) -> onnx.ModelProto:
    """Return the graph of what was read, checked, with its nodes in order.

    Errors
    ------
    ModelError
        if it is empty, not ONNX, breaks ONNX's rules or uses a name twice.
    """
    path = whole.path
    if whole.held == b"":
        raise ModelError("an ONNX file", "an empty file", where=path, remedy="Export it again.")
    model = whole.parsed()
    try:
        _check(model)
        _expect_whole_tensors(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise ModelError(
            "a valid ONNX file", _first_line(error), where=path, remedy="Export it again, or check the download."
        ) from error
    if not model.graph.node:
        raise ModelError("a valid ONNX file", "no graph in it", where=path, remedy="Export it again.")
    hidden = hidden_names(model)
    if hidden:
        raise ModelError(
            "a model in which a name means one thing",
            hidden[0],
            where=path,
            remedy="Rename the inner one; ONNX Runtime may take either.",
        )
    return model


def _check(model: onnx.ModelProto) -> None:
    """Check a model, in another order of nodes where that is all that is wrong: ONNX Runtime runs it in any."""
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        if _OUT_OF_ORDER not in str(error):
            raise
        put_in_order(model)
        onnx.checker.check_model(model)


def _expect_whole_tensors(model: onnx.ModelProto) -> None:
    """Decode every stored tensor once, wherever it lies: the checker looks neither at types it does not know nor at sizes."""
    for tensor in stored_tensors(model):
        try:
            numpy_helper.to_array(tensor)
        except (KeyError, TypeError, ValueError) as error:
            kind = "initializer" if tensor.name else "constant"
            message = f"{kind} {tensor.name!r} of type {tensor.data_type} that does not decode: {error}"
            raise ValueError(message) from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200].rstrip(".")


def model_bytes(model: onnx.ModelProto) -> bytes:
    """Return the file's bytes; equal models give equal bytes."""
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def model_sha256(model: onnx.ModelProto) -> str:
    """Return the SHA-256 that the file of this model has or would have."""
    return sha256_of(model_bytes(model))


def save_model(model: onnx.ModelProto, path: Path) -> None:
    """Write a model whole or not at all.

    Errors
    ------
    ModelError
        if the model is larger than 2 GiB.
    OutputError
        if the place cannot be written.
    """
    if model.ByteSize() > _MAX_BYTES:
        raise ModelError("a model below 2 GiB", f"{model.ByteSize()} bytes", where=path)
    write_model(model_bytes(model), path)


def write_model(content: bytes, path: Path) -> None:
    """Write a model's bytes whole or not at all.

    Errors
    ------
    OutputError
        if the place cannot be written.
    """
    write_bytes(path, content)
