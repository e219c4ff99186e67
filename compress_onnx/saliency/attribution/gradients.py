"""Attributions from gradients of the input alone."""

from __future__ import annotations

import torch
from captum.attr import InputXGradient, IntegratedGradients, Saliency
from torch import nn

# Sundararajan et al. 2017 advise 20 to 300 points; at 32 the attributions of a small network of rectifiers sum to
# the logit's change within five percent.
STEPS = 32
# Smilkov et al. 2017 find no further sharpening beyond some ten pictures, and 10 to 20 % noise best.
NOISY_COPIES = 16
NOISE = 0.15


def gradient(module: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the absolute gradient of each sample's target logit by its input values.

    The study's gradient saliency (Simonyan et al. 2014, arXiv:1312.6034): how strongly a value
    moves the logit, in whichever direction. ``inputs`` (N, C, H, W) float32, ``targets`` (N,)
    int64; one backward pass for the whole batch.
    """
    return _gradient(module, inputs, targets).abs()


def smoothgrad(module: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the gradient's mean over 16 noisy copies of each sample (Smilkov et al. 2017, arXiv:1706.03825).

    The noise is normal, with a standard deviation of 15 % of the sample's own range of values. All
    samples get the same 16 patterns, so that a map depends neither on its batch nor on which of two
    models is explained. Draws from torch's generator; 16 backward passes.
    """
    spread = NOISE * (inputs.amax(dim=(1, 2, 3), keepdim=True) - inputs.amin(dim=(1, 2, 3), keepdim=True))
    patterns = torch.randn((NOISY_COPIES, *inputs.shape[1:]))
    total = torch.zeros_like(inputs)
    for pattern in patterns:
        total += _gradient(module, inputs + spread * pattern, targets)
    return total / NOISY_COPIES


def input_x_gradient(module: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return input times gradient, value by value (Shrikumar et al. 2016, arXiv:1605.01713).

    Inputs are normalized values: 0 is the data set's mean color.
    """
    attributions: torch.Tensor = InputXGradient(module).attribute(_leaf(inputs), target=targets)
    return attributions.detach()


def integrated_gradients(module: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return gradients integrated from the mean color to each sample (Sundararajan et al. 2017, arXiv:1703.01365).

    32 points of Gauss and Legendre, one backward pass each: memory is that of one batch.
    """
    method = IntegratedGradients(module)
    attributions: torch.Tensor = method.attribute(
        _leaf(inputs), target=targets, n_steps=STEPS, internal_batch_size=len(inputs)
    )
    return attributions.detach().to(inputs.dtype)


def _gradient(module: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    gradients: torch.Tensor = Saliency(module).attribute(_leaf(inputs), target=targets, abs=False)
    return gradients.detach()


def _leaf(inputs: torch.Tensor) -> torch.Tensor:
    """Return a copy that takes a gradient: captum warns about inputs that do not, and the caller's are not touched."""
    return inputs.detach().clone().requires_grad_()
