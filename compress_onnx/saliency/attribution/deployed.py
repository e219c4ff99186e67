"""The deployed file as a module: logits from ONNX Runtime, for methods that need no gradient."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from compress_onnx.extension_points import Attribution
from compress_onnx.saliency.twin import classes, fixed_batch

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
