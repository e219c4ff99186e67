"""Shape arithmetic that the exporter leaves behind becomes constants."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir


def settle_reshapes(model: ir.Model) -> int:
    """Give every Reshape whose only unknown output size is the batch a constant shape, in place.

    The exporter computes such shapes from the input with Shape, Squeeze and Concat, which hinders
    fusion and readers. Returns how many nodes were changed; the arithmetic left unused is for a
    later clean-up pass.
    """
    changed = 0
    for node in model.graph:
        wanted = node.inputs[1] if node.op_type == "Reshape" else None
        if wanted is not None and ir.convenience.get_const_tensor(wanted) is None:
            sizes = _one_unknown(node.outputs[0].shape)
            if sizes is not None:
                node.replace_input_with(1, _constant(model, f"{node.name}_shape", sizes))
                changed += 1
    return changed


def _one_unknown(shape: ir.Shape | None) -> list[int] | None:
    if shape is None:
        return None
    sizes = [size if isinstance(size, int) else -1 for size in shape]
    return sizes if sizes.count(-1) <= 1 else None


def _constant(model: ir.Model, name: str, sizes: list[int]) -> ir.Value:
    tensor = ir.tensor(np.array(sizes, dtype=np.int64), name=name)
    value = ir.Value(name=name, shape=ir.Shape([len(sizes)]), type=ir.TensorType(tensor.dtype), const_value=tensor)
    model.graph.register_initializer(value)
    return value
