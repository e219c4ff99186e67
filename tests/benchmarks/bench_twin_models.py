"""The FP32 twin against the original PyTorch module: logits and input gradients, model by model."""

from __future__ import annotations

import dataclasses
import gc
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import torch
from bench_table import Row
from torch import nn
from torchvision import models

from compress_onnx.errors import CompressOnnxError
from compress_onnx.records.artifacts import Preprocessing
from compress_onnx.saliency.twin import build_twin
from compress_onnx.torch_export.exporter import export_module
from compress_onnx.zoo.networks import NETWORKS, build

IMAGES = 4
CLASSES = 10
LOGITS_BAR, GRADIENT_BAR = 1e-4, 1e-3
# The smallest sizes that the model takes: poolings, patches and windows must come out even.
SIZES = {"inception_v3": 96, "maxvit_t": 224, "vit_h_14": 56}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """Largest differences from the original, relative to the original's largest value; or why there are none."""

    name: str
    size: int
    logits: float | None = None
    gradient: float | None = None
    reason: str = ""


def torchvision_names() -> list[str]:
    """Return all classifiers of torchvision."""
    found: list[str] = models.list_models(module=models)
    return found


def torchvision_model(name: str, size: int) -> nn.Module:
    """Return a classifier with random weights for small pictures."""
    extra: dict[str, Any] = {}
    if name.startswith("vit"):
        extra["image_size"] = size
    if name in {"googlenet", "inception_v3"}:
        extra["init_weights"] = False
    torch.manual_seed(0)
    module: nn.Module = models.get_model(name, weights=None, num_classes=CLASSES, **extra)
    with torch.no_grad():
        # A vision transformer starts with a head of zeros: no logit and no gradient to compare.
        for weight in (part for part in module.parameters() if part.ndim >= 2 and not part.any()):
            weight.normal_(std=0.02)
    return module.eval()


def exported(module: nn.Module, size: int) -> onnx.ModelProto:
    """Return the module as this package exports it."""
    form = Preprocessing(height=size, width=size, mean=(0.5,) * 3, std=(0.25,) * 3)
    return export_module(module, form, tuple(map(str, range(CLASSES))))


def deviation(name: str, module: nn.Module, model: onnx.ModelProto, size: int) -> Deviation:
    """Return how far the twin of ``model`` is from ``module``."""
    try:
        twin = build_twin(model)
    except CompressOnnxError as error:
        return Deviation(name=name, size=size, reason=str(error))
    generator = torch.Generator().manual_seed(1)
    images = torch.randn((IMAGES, 3, size, size), generator=generator)
    expected, got = (_logits_and_gradient(part, images) for part in (module, twin))
    logits, gradient = (_relative(*pair) for pair in zip(expected, got, strict=True))
    return Deviation(name=name, size=size, logits=logits, gradient=gradient)


def _logits_and_gradient(module: nn.Module, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    leaf = images.clone().requires_grad_()
    logits = module(leaf)
    targets = torch.arange(IMAGES) % CLASSES
    (gradient,) = torch.autograd.grad(logits.gather(1, targets[:, None]).sum(), leaf)
    return logits.detach().numpy(), gradient.numpy()


def _relative(expected: np.ndarray, got: np.ndarray) -> float:
    return float(np.abs(expected - got).max() / np.abs(expected).max())


def deviations() -> Iterator[Deviation]:
    """Yield our three networks and torchvision's, one after the other."""
    for name in NETWORKS.names():
        yield _made(name, 32)
    for name in torchvision_names():
        yield _made(name, SIZES.get(name, 64))


def _made(name: str, size: int) -> Deviation:
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        module = build(name, CLASSES).eval() if size == 32 else torchvision_model(name, size)
        try:
            model = exported(module, size)
        except Exception as error:  # noqa: BLE001  # whatever the exporter stumbles over is the table's entry
            return Deviation(name=name, size=size, reason=f"not exported: {type(error).__name__}: {error}"[:160])
        return deviation(name, module, model, size)


def model_rows(found: list[Deviation]) -> Iterator[Row]:
    """Yield the worst logits and the worst gradient of all models that have a twin."""
    known = [one for one in found if one.logits is not None]
    for figure, name, bar in (("logits", "logits", LOGITS_BAR), ("input gradient", "gradient", GRADIENT_BAR)):
        worst = max(known, key=lambda one: getattr(one, name))
        yield Row(
            figure=f"FP32 twin against the original module, {figure}, worst of {len(known)} of {len(found)} models",
            bar=bar,
            reach="at most",
            ours=worst.name,
            value=getattr(worst, name),
        )


def model_table(found: list[Deviation]) -> str:
    """Return one line per model as Markdown."""
    lines = ["| model | size | logits | input gradient |", "|---|---|---|---|"]
    for one in found:
        cells = one.reason or f"{one.logits:.1e} | {one.gradient:.1e}"
        lines.append(f"| {one.name} | {one.size} | {cells} |")
    return "\n".join(lines)
