"""What goes into a classifier and what comes out: one image tensor in, logits (N, C) out."""

from __future__ import annotations

import dataclasses

import onnx

from compress_onnx.errors import ModelError

_FLOAT = onnx.TensorProto.FLOAT
_TYPE_NAMES = {number: name.lower() for name, number in onnx.TensorProto.DataType.items()}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Input and output of a classifier.

    ``image_shape`` is the input's shape behind the batch, (C, H, W) or (H, W, C), with ``None``
    for an unknown size; ``fixed_batch`` is the only batch the file takes, or ``None`` where any
    goes; ``classes`` is C, or ``None`` where the file does not say.
    """

    input_name: str
    output_name: str
    image_shape: tuple[int | None, int | None, int | None]
    fixed_batch: int | None
    classes: int | None


def signature_of(model: onnx.ModelProto, *, where: object = "") -> Signature:
    """Return what the model takes and gives.

    Errors
    ------
    ModelError
        unless it has one float32 input of rank 4 and a first output of shape (N, C).
    """
    fed = _fed_inputs(model)
    if len(fed) != 1:
        raise ModelError("a model with one image input", f"{len(fed)} inputs", where=where)
    shape = _shape(fed[0])
    if fed[0].type.tensor_type.elem_type != _FLOAT or shape is None or len(shape) != 4:
        raise ModelError("one float32 input of rank 4 (a batch of images)", _described(fed[0]), where=where)
    if not model.graph.output:
        raise ModelError("classification output (N, C) in float32", "no output", where=where)
    output = model.graph.output[0]
    logits = _shape(output)
    if logits is None or len(logits) != 2 or output.type.tensor_type.elem_type != _FLOAT:
        raise ModelError(
            "classification output (N, C) in float32",
            _described(output),
            where=where,
            remedy="Export the model with its classifier head as the first output.",
        )
    return Signature(
        input_name=fed[0].name,
        output_name=output.name,
        image_shape=(shape[1], shape[2], shape[3]),
        fixed_batch=shape[0],
        classes=logits[1],
    )


def _fed_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    constants = {initializer.name for initializer in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in constants]


def _shape(value: onnx.ValueInfoProto) -> list[int | None] | None:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    # Some exporters write 0 or -1 where a size is free; an absent dim_value reads as 0 as well.
    return [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim]


def _described(value: onnx.ValueInfoProto) -> str:
    if not value.type.HasField("tensor_type"):
        return f"{value.name!r}, which is not a tensor"
    number = value.type.tensor_type.elem_type
    kind = _TYPE_NAMES.get(number, f"type {number}")
    shape = _shape(value)
    sizes = "unknown shape" if shape is None else f"shape ({', '.join('?' if s is None else str(s) for s in shape)})"
    return f"{value.name!r} in {kind} of {sizes}"


def default_opset(model: onnx.ModelProto) -> int:
    """Return the version of the default operator set, 0 if the model imports none."""
    return next((entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), 0)
