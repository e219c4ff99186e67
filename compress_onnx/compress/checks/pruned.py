"""Pruned models checked against their source: nothing but zeros, and answers that are numbers."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from compress_onnx.compress.checks.same_function import REPORT, outputs
from compress_onnx.errors import SelfCheckError
from compress_onnx.model import copied, prunable_initializers


def expect_only_zeros(before: onnx.ModelProto, after: onnx.ModelProto) -> None:
    """Raise unless ``after`` is ``before``, bit for bit, but for weights that became zero.

    Errors
    ------
    SelfCheckError
        that names the first tensor which changed otherwise.
    """
    restored = copied(after)
    thinned = prunable_initializers(restored)
    # Weights lie in branches and loops too: what is put back wherever it stood has to make the source again.
    for name, tensor in prunable_initializers(before).items():
        after_pruning = thinned.get(name)
        if after_pruning is None or not _only_thinned(tensor, after_pruning):
            raise _otherwise(f"another tensor {name!r}")
        after_pruning.CopyFrom(tensor)
    if restored.graph != before.graph:
        raise _otherwise("other nodes or tensors")


def _only_thinned(before: onnx.TensorProto, after: onnx.TensorProto) -> bool:
    old, new = numpy_helper.to_array(before), numpy_helper.to_array(after)
    # Bits, so that a negative zero or a NaN is what it was.
    alive = new != 0
    return old.dtype == new.dtype and old.shape == new.shape and old[alive].tobytes() == new[alive].tobytes()


def _otherwise(got: str) -> SelfCheckError:
    return SelfCheckError("a source that lost weights and nothing else", got, where="pruning", remedy=REPORT)


def expect_finite_outputs(before: onnx.ModelProto, after: onnx.ModelProto, images: NDArray[np.float32]) -> None:
    """Raise unless the pruned, perhaps repaired, model gives numbers wherever its source does.

    Errors
    ------
    SelfCheckError
        if its outputs are NaN or infinite, or of another shape.
    """
    wanted, given = outputs(before, images), outputs(after, images)
    if wanted.shape != given.shape or not np.isfinite(given[np.isfinite(wanted)]).all():
        raise SelfCheckError(
            f"finite outputs of shape {wanted.shape}", f"shape {given.shape}", where="pruning", remedy=REPORT
        )
