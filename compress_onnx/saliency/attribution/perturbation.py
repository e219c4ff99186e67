"""Occlusion: what the logit loses when a part of the picture is covered. Needs no gradient."""

from __future__ import annotations

import dataclasses

import torch
from captum.attr import Occlusion as CaptumOcclusion
from torch import nn

from compress_onnx.saliency.twin import fixed_batch

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
        found: torch.Tensor = CaptumOcclusion(module).attribute(
            inputs.detach(),
            sliding_window_shapes=window,
            strides=strides,
            target=targets,
            # A file of fixed batch takes no more than its own number.
            perturbations_per_eval=1 if fixed_batch(module) else max(1, AT_ONCE // len(inputs)),
        )
        return found.detach()


occlusion = Occlusion()
