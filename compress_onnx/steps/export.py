"""A trained network or a checkpoint of one's own becomes a checked ONNX model."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.data import ImageSet, load_data
from compress_onnx.errors import DataError, MissingExtraError, OptionError, UnknownNameError
from compress_onnx.extras import require_extra
from compress_onnx.model import model_bytes, read_embedded, signature_of
from compress_onnx.ort import open_session
from compress_onnx.records import Preprocessing, RecipeStep
from compress_onnx.runtime import logits_of
from compress_onnx.zoo import CARD, model_folder

# Enough to meet every branch of the graph; parity is exact or far off.
PARITY_IMAGES = 64


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exported:
    """An exported model, its recipe with seconds, and max |Δlogit| over the logit range."""

    model: onnx.ModelProto
    recipe: tuple[RecipeStep, ...]
    parity: float


def exported(name: str, *, images: ImageSet | None, fold: bool = False) -> Exported:
    """Export a model of ``models/`` and prove parity on real images (random ones without any).

    Errors
    ------
    MissingExtraError
        without the torch extra.
    ParityError
        if the file's logits differ from PyTorch's by more than 1e-4 of their range.
    """
    require_extra("torch", command="export")
    from compress_onnx.zoo import load_model

    module, card = load_model(name)
    return export_checked(module, card.preprocessing, card.class_names, images=images, fold=fold)


def export_checked(
    module: object,
    preprocessing: Preprocessing,
    class_names: tuple[str, ...],
    *,
    images: ImageSet | None,
    fold: bool,
) -> Exported:
    """Export a torch module and prove parity."""
    from compress_onnx.torch_export import check_parity, export_module

    started = time.perf_counter()
    model = export_module(module, preprocessing, class_names, fold=fold)  # type: ignore[arg-type]  # a torch module
    _check_class_names(model, class_names)
    deviation = check_parity(
        module,  # type: ignore[arg-type]  # a torch module; this file must import without torch
        _runner(model),
        _parity_inputs(images, preprocessing),
        where=type(module).__name__,
    )
    step = dataclasses.replace(read_embedded(model).recipe[-1], seconds=time.perf_counter() - started)
    return Exported(model=model, recipe=(step,), parity=deviation)


def _check_class_names(model: onnx.ModelProto, class_names: tuple[str, ...]) -> None:
    classes = signature_of(model).classes
    if class_names and classes is not None and classes != len(class_names):
        raise DataError(
            f"a model with {len(class_names)} classes, as the data has",
            f"{classes} classes",
            remedy="Use the data set the model was trained for.",
        )


def _runner(model: onnx.ModelProto) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    session = open_session(model_bytes(model))
    return lambda inputs: logits_of(session, [inputs])


def _parity_inputs(images: ImageSet | None, preprocessing: Preprocessing) -> NDArray[np.float32]:
    if images is not None:
        return next(images.batches(preprocessing, PARITY_IMAGES))
    shape = (PARITY_IMAGES, preprocessing.channels, preprocessing.height, preprocessing.width)
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def own_images(name: str) -> ImageSet | None:
    """Return the test images of the data set a model of ``models/`` was trained on, ``None`` without it."""
    from compress_onnx.zoo import load_card

    dataset = load_card(model_folder(name) / CARD).dataset
    try:
        return load_data(f"{dataset}:test")
    except (DataError, UnknownNameError, MissingExtraError):
        return None


def checkpoint_exported(
    path: Path, factory: str, preprocessing: Preprocessing, *, images: ImageSet | None, fold: bool
) -> Exported:
    """Export a safetensors checkpoint of one's own network.

    ``factory`` is ``package.module:callable``, found from the working directory or installed; it
    returns the module that the checkpoint fills. Class names are those of ``images``.

    Errors
    ------
    OptionError
        if the factory cannot be found or returns no torch module.
    CheckpointError
        if the checkpoint is missing, broken, a pickle, or of other shapes.
    """
    import torch

    from compress_onnx.zoo import load_checkpoint

    build = _factory(factory)
    module = build()
    if not isinstance(module, torch.nn.Module):
        raise OptionError("a factory that returns a torch.nn.Module", type(module).__name__, where=factory)
    filled = load_checkpoint(path, lambda: module)
    names = images.info.class_names if images is not None else ()
    return export_checked(filled, preprocessing, names, images=images, fold=fold)


def _factory(text: str) -> Callable[[], object]:
    module_name, _, attribute = text.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise OptionError(
            "a factory written package.module:callable",
            repr(text),
            where=str(error),
            remedy="Run from the folder that holds the package, or install it.",
        ) from error
    if not callable(found):
        raise OptionError("a callable factory", type(found).__name__, where=text)
    _expect_no_arguments(found, text)
    checked: Callable[[], object] = found
    return checked


def _expect_no_arguments(found: Callable[..., object], text: str) -> None:
    try:
        inspect.signature(found).bind()
    except TypeError as error:
        raise OptionError(
            "a factory without required arguments",
            str(error),
            where=text,
            remedy="Write a function that gives them and returns the module.",
        ) from error
    except ValueError:
        # Some built-in callables tell no signature: calling them will show.
        return
