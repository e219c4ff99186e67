"""Element types of a graph's tensors: those that it declares, and the runtime's word for all others."""

from __future__ import annotations

from types import MappingProxyType

import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from compress_onnx.ort.session import open_session
from compress_onnx.ort.tensors import tapped

# ONNX Runtime's own spelling, as ``tensor(float)``, of the types that it gives to NumPy.
_SPELLED = {"float": "FLOAT", "double": "DOUBLE", "float16": "FLOAT16", "bool": "BOOL"}
_SPELLED |= {f"{sign}int{bits}": f"{sign}int{bits}".upper() for sign in ("", "u") for bits in (8, 16, 32, 64)}
_KINDS = MappingProxyType({f"tensor({word})": int(TensorProto.DataType.Value(kind)) for word, kind in _SPELLED.items()})


def element_types(model: onnx.ModelProto) -> dict[str, int]:
    """Return the element types that a graph declares, by the names of its tensors."""
    graph = model.graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.value_info, *graph.output)}
    kinds |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    return {name: kind for name, kind in kinds.items() if kind}


def types_of(session: ort.InferenceSession) -> dict[str, int]:
    """Return the element types of what a session gives, as far as NumPy has them."""
    return {value.name: _KINDS[value.type] for value in session.get_outputs() if value.type in _KINDS}


def declare_types(model: onnx.ModelProto) -> None:
    """Add to an optimized graph the element types that it does not declare, as the runtime infers them.

    A zero point may be left out, and a type passes through any operator: nothing
    else says what an integer kernel multiplies.

    Errors
    ------
    ModelError
        if ONNX Runtime cannot load the graph as it stands.
    """
    declared = element_types(model)
    made = dict.fromkeys(name for node in model.graph.node for name in node.output if name)
    untyped = [name for name in made if name not in declared]
    if untyped:
        session = open_session(tapped(model, untyped).SerializeToString(), threads=1, optimized=False)
        kinds = types_of(session).items()
        model.graph.value_info.extend(helper.make_tensor_value_info(name, kind, None) for name, kind in kinds)
