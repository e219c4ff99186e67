"""Comparisons and choices."""

from __future__ import annotations

import torch

from compress_onnx.saliency.operators.node import Converter, function

_LOGIC: dict[str, Converter] = {
    "And": function(torch.logical_and),
    "Equal": function(torch.eq),
    "Greater": function(torch.gt),
    "GreaterOrEqual": function(torch.ge),
    "IsNaN": function(torch.isnan),
    "Less": function(torch.lt),
    "LessOrEqual": function(torch.le),
    "Not": function(torch.logical_not),
    "Or": function(torch.logical_or),
    "Where": function(torch.where),
    "Xor": function(torch.logical_xor),
}
