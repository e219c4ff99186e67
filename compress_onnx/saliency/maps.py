"""The maps of one model, by a twin that was held against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.saliency.fidelity import faithful_twin
from compress_onnx.saliency.task import SaliencyTask


def explained_maps(
    model: onnx.ModelProto, logits: NDArray[np.float32], task: SaliencyTask
) -> NDArray[np.float32] | str:
    """Return the maps (N, H, W) of a task's samples, or why there is no twin to take gradients of.

    ``logits`` (N, C) are ONNX Runtime's on the same samples.
    """
    checked = faithful_twin(model, task.inputs, logits)
    if checked.twin is None:
        return checked.reason or "no twin"
    explained = task.explained(checked.twin, task.predict)
    return np.concatenate([task.explain(explained, batch, rows) for rows, batch in task.inputs(checked.twin)])
