"""Occlusion, what the logit loses when a part of the picture is covered, and the session that answers for it: no gradients."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
from captum.attr import Occlusion as CaptumOcclusion
from numpy.typing import NDArray
from torch import nn

from compress_onnx.extension_points import Attribution
from compress_onnx.saliency.twin import classes, fixed_batch

# The cover is an eighth of the picture wide and moves by half of that: 225 places at any size.
PARTS = 8
# Covered pictures per call: few enough for little memory, many enough for full speed.
AT_ONCE = 256


@dataclasses.dataclass(frozen=True, slots=True)
class Occlusion:
    """The target logit's mean fall where a square covers each pixel (Zeiler and Fergus 2014, arXiv:1311.2901).

    The square has the data set's mean color. It asks for logits alone, and so runs on the ONNX
    session: it explains the deployed file without the twin, which it checks from outside.
    """

    on_session: bool = True

    def __call__(self, module: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean fall per pixel, the same in all channels, of the inputs' shape."""
        channels, height, width = inputs.shape[1:]
        window = (channels, max(1, height // PARTS), max(1, width // PARTS))
        strides = (channels, max(1, window[1] // 2), max(1, window[2] // 2))
        falls: torch.Tensor = CaptumOcclusion(module).attribute(
            inputs.detach(),
            sliding_window_shapes=window,
            strides=strides,
            target=targets,
            # A file of fixed batch takes no more than its own number.
            perturbations_per_eval=1 if fixed_batch(module) else max(1, AT_ONCE // len(inputs)),
        )
        return falls.detach()


occlusion = Occlusion()


Predict: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Inputs (B, C, H, W) float32 to ONNX Runtime's logits (B, classes) float32."""


class Deployed(nn.Module):
    """ONNX Runtime's answers behind the face of the twin.

    A copy of it is a copy of the twin: what is copied is to be changed, and a session's weights
    cannot be. So the ceiling of the scale, which re-draws the weights, is the twin's.
    """

    def __init__(self, predict: Predict, twin: nn.Module) -> None:
        super().__init__()
        self._predict = predict
        # In a tuple: not a part, or its weights would seem to be this module's.
        self._twin = (twin,)
        self.meta = {"fixed_batch": fixed_batch(twin), "classes": classes(twin)}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (N, classes), without gradient."""
        return torch.from_numpy(self._predict(np.ascontiguousarray(images.detach().numpy())))

    def __deepcopy__(self, memo: dict[int, Any]) -> nn.Module:
        return copy.deepcopy(self._twin[0], memo)


def explained_module(method: Attribution, twin: nn.Module, predict: Predict | None) -> nn.Module:
    """Return what a method explains: the twin, or the deployed file for a method that asks for it.

    Without ``predict`` it is the twin, which is known to give the same logits.
    """
    return Deployed(predict, twin) if predict is not None and getattr(method, "on_session", False) else twin
