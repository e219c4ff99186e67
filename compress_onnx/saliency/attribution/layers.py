"""Attributions that look inside the network: at its rectifiers, or at the maps of one layer."""

from __future__ import annotations

import dataclasses
import warnings

import torch
from captum.attr import GuidedBackprop, LayerGradCam
from torch import nn

from compress_onnx.errors import ModelError
from compress_onnx.registry import unknown
from compress_onnx.saliency.twin import fixed_batch, layers


def guided_backpropagation(module: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the gradient with negative signals held back at every ReLU (Springenberg et al. 2015, arXiv:1412.6806).

    Errors
    ------
    ModelError
        if the network has no ReLU: nothing would be guided.
    """
    if not any(isinstance(part, nn.ReLU) for part in module.modules()):
        raise ModelError(
            "a network with ReLU for guided backpropagation", "one without", remedy="Choose another saliency method."
        )
    leaf = inputs.detach().clone().requires_grad_()
    with warnings.catch_warnings():
        # That hooks are set for the while is what the method is.
        warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU")
        gradients: torch.Tensor = GuidedBackprop(module).attribute(leaf, target=targets)
    return gradients.detach()


@dataclasses.dataclass(frozen=True, slots=True)
class GradCam:
    """Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) at one layer, by default the last convolution.

    ``layer`` is the name of an ONNX node that gives (N, C, h, w). Maps are (N, h, w), 0 where the
    layer speaks against the class.

    Errors
    ------
    UnknownNameError
        if there is no such layer; those that there are are listed.
    ModelError
        if no layer is named and the network has no convolution.
    """

    layer: str | None = None

    def at(self, layer: str) -> GradCam:
        """Return the method for a layer."""
        return GradCam(layer)

    def __call__(self, module: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return maps (N, h, w) of the layer's own size."""
        place = _last_convolution(module) if self.layer is None else _named(self.layer, module, inputs)
        leaf = inputs.detach().clone().requires_grad_()
        maps: torch.Tensor = LayerGradCam(module, place).attribute(leaf, target=targets, relu_attributions=True)
        return maps.detach()[:, 0]


grad_cam = GradCam()


def _last_convolution(module: nn.Module) -> nn.Module:
    convolutions = [part for part in layers(module).values() if isinstance(part, nn.Conv2d)]
    if not convolutions:
        raise ModelError(
            "a network with a convolution for grad-cam", "one without", remedy="Name a layer: grad-cam:LAYER."
        )
    return convolutions[-1]


def _named(wanted: str, module: nn.Module, inputs: torch.Tensor) -> nn.Module:
    layer = layers(module).get(wanted)
    places = None if layer is None else _shown(module, {wanted: layer}, inputs)
    if layer is None or not places:
        raise unknown("layer that gives (N, C, H, W)", wanted, _shown(module, layers(module), inputs))
    return layer


def _shown(module: nn.Module, candidates: dict[str, nn.Module], inputs: torch.Tensor) -> list[str]:
    """Return the names of those layers that give (N, C, H, W), seen in one forward pass."""
    names = {id(part): name for name, part in candidates.items()}
    seen: list[str] = []

    def note(part: nn.Module, _: object, result: object) -> None:
        if isinstance(result, torch.Tensor) and result.ndim == 4 and result.is_floating_point():
            seen.append(names[id(part)])

    handles = [part.register_forward_hook(note) for part in candidates.values()]
    try:
        with torch.no_grad():
            module(inputs[: fixed_batch(module) or 1])
    finally:
        for handle in handles:
            handle.remove()
    return seen
