"""Weights that can be compressed: finite numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import numpy_helper

from compress_onnx.errors import ModelError


def expect_finite_weights(tensors: Mapping[str, onnx.TensorProto], *, where: object) -> None:
    """Raise :class:`ModelError` if a weight is NaN or infinite."""
    for name, tensor in tensors.items():
        if not np.isfinite(numpy_helper.to_array(tensor)).all():
            raise ModelError("finite weights", f"NaN or infinity in {name!r}", where=where, remedy="Train it again.")
