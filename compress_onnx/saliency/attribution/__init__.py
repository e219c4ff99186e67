"""Attributions: which pixels a logit depends on. The only door to captum.

A method is a function ``(module, inputs, targets) -> attributions``, found by name through the
extension point ``compress_onnx.attributions``. :func:`batch_maps` turns what it gives into maps.
"""

from __future__ import annotations

from compress_onnx.saliency.attribution.deployed import Deployed, Predict, explained_module
from compress_onnx.saliency.attribution.gradients import (
    gradient,
    input_x_gradient,
    integrated_gradients,
    smoothgrad,
)
from compress_onnx.saliency.attribution.layers import grad_cam, guided_backpropagation
from compress_onnx.saliency.attribution.maps import batch_maps, seeded
from compress_onnx.saliency.attribution.occlusion import occlusion

__all__ = [
    "Deployed",
    "Predict",
    "batch_maps",
    "explained_module",
    "grad_cam",
    "gradient",
    "guided_backpropagation",
    "input_x_gradient",
    "integrated_gradients",
    "occlusion",
    "seeded",
    "smoothgrad",
]
