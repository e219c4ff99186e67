"""What a CPU without VNNI loses of an integer product's sums, put onto the float product that stands for it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from compress_onnx.ort import IntegerNode
from compress_onnx.ort import along_channels

# Operators that carry the product once an integer-only node is written out.
PRODUCTS = frozenset({"Conv", "Gemm", "MatMul"})


class Saturation(nn.Module):
    """Adds to a product what int16 saturation takes from it; straight-through: gradients see the exact product."""

    def __init__(self, node: IntegerNode, *, step: float, scales: NDArray[np.floating]) -> None:
        super().__init__()
        point = node.constant(node.slots.activation_zero)
        self._node, self._step = node, step
        self._point = 0 if point is None else int(point.reshape(-1)[0])
        self._factor = scales.astype(np.float64) * step * node.attributes.get("alpha", 1.0)

    def forward(self, product: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Return the product (N, O, ...) less what its sums lose; ``values`` are the float activations."""
        levels = (values.detach() / self._step).round_().add_(self._point).clamp_(0, 255).to(torch.uint8).numpy()
        lost = self._node.lost(levels, self._point) * along_channels(self._node, self._factor, levels.ndim)
        return product + torch.from_numpy(lost.astype(np.float32))


def saturation_of(node: IntegerNode) -> Saturation | None:
    """Return the module for a node whose scales the file holds, ``None`` where they are computed."""
    step, scales = node.constant(node.slots.activation_scale), node.constant(node.slots.weight_scale)
    return None if step is None or scales is None else Saturation(node, step=step.item(), scales=scales)
