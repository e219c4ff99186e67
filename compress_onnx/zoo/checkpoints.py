"""Trained networks on disk: ``weights.safetensors`` beside ``card.json``, never a pickle."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from compress_onnx.errors import CheckpointError
from compress_onnx.files import sha256_of, write_bytes, write_text
from compress_onnx.zoo.cards import CARD, WEIGHTS, ModelCard, card_text, load_card, model_folder
from compress_onnx.zoo.networks import build
from compress_onnx.zoo.recipe import StoredPrecision

# A zip archive (torch.save since 1.6) and the protocol marks of a bare pickle.
_PICKLE_MARKS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def encoded_weights(module: nn.Module, *, stored: StoredPrecision = "float32") -> bytes:
    """Return a module's state as safetensors bytes; equal weights give equal bytes.

    Floating tensors are written in the precision ``stored``, whole numbers as they are.
    """
    return save({name: _as_stored(t, stored).contiguous() for name, t in module.state_dict().items()})


def rounded(module: nn.Module, *, stored: StoredPrecision) -> nn.Module:
    """Return a float32 copy with the weights that a file of this precision holds."""
    copied = copy.deepcopy(module)
    copied.load_state_dict({name: _as_stored(t, stored) for name, t in module.state_dict().items()})
    return copied


def _as_stored(tensor: torch.Tensor, stored: StoredPrecision) -> torch.Tensor:
    return tensor.to(getattr(torch, stored)) if tensor.is_floating_point() else tensor


def save_model(folder: Path, module: nn.Module, card: ModelCard) -> None:
    """Write weights and card; the card comes last, so a folder with a card is complete."""
    content = encoded_weights(module, stored=card.recipe.stored)
    if sha256_of(content) != card.weights_sha256:
        raise CheckpointError(
            "the weights that the card describes", "others", where=folder, remedy="Make the card from these weights."
        )
    write_bytes(folder / WEIGHTS, content)
    write_text(folder / CARD, card_text(card))


def load_model(name: str | Path) -> tuple[nn.Module, ModelCard]:
    """Load a trained network by folder or by name, ready to predict (float32, evaluation mode).

    Names, ``<network>-<dataset>``, are looked up in ``models/`` of the working directory and then
    beside the package.

    Errors
    ------
    UnknownNameError
        if neither a folder nor a model of this name exists; near names are in the sentence.
    CheckpointError
        if card or weights are missing, broken, or do not belong together.
    """
    folder = model_folder(name)
    card = load_card(folder / CARD)
    weights = folder / WEIGHTS
    module = load_checkpoint(weights, lambda: build(card.network, len(card.class_names)))
    if sha256_of(weights.read_bytes()) != card.weights_sha256:
        raise CheckpointError(
            "the weights that the card describes",
            "a file with another sha256",
            where=weights,
            remedy="Restore both files or train again.",
        )
    return module, card


def load_checkpoint(path: Path, factory: Callable[[], nn.Module]) -> nn.Module:
    """Return the factory's module filled with a safetensors file, float32, in evaluation mode.

    Half-precision weights are widened exactly, since they are copied into the module's tensors.

    Errors
    ------
    CheckpointError
        if the file is missing, truncated, a pickle, or of other tensors or shapes than the module's.
    """
    tensors = load_tensors(path)
    module = factory()
    _check_shapes(path, tensors, module.state_dict())
    module.load_state_dict(tensors)
    return module.eval()


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file; raise :class:`CheckpointError` for anything else."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            "a safetensors file", error.strerror or "no file", where=path, remedy="Check the path."
        ) from error
    try:
        return load(content)
    except SafetensorError as error:
        if _looks_pickled(content):
            raise CheckpointError(
                "a safetensors file",
                "a pickle, which could run any code when opened",
                where=path,
                remedy="Convert it with safetensors.torch.save_file where it was made.",
            ) from error
        raise CheckpointError(
            "a whole safetensors file",
            f"{len(content)} bytes that are not one: {error}",
            where=path,
            remedy="Fetch it again or train again.",
        ) from error


def _looks_pickled(content: bytes) -> bool:
    r"""Tell a pickle from other broken bytes; protocols 0 and 1 have no mark but an opening and a full stop.

    >>> _looks_pickled(b"(dp0\n."), _looks_pickled(b"")
    (True, False)
    """
    return content.startswith(_PICKLE_MARKS) or (content[:1] in (b"(", b"]", b"}", b"c") and content.endswith(b"."))


def _check_shapes(path: Path, stored: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    remedy = "Give the checkpoint of this network, or this checkpoint's network and number of classes."
    for name, tensor in wanted.items():
        if name not in stored:
            raise CheckpointError(f"a tensor {name}", "none", where=path, remedy=remedy)
        if stored[name].shape != tensor.shape:
            expected, got = _shape(tensor), _shape(stored[name])
            raise CheckpointError(f"{name} of shape {expected}", f"shape {got}", where=path, remedy=remedy)
    extra = sorted(stored.keys() - wanted.keys())
    if extra:
        raise CheckpointError("only the network's tensors", f"also {extra[0]}", where=path, remedy=remedy)


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(str(size) for size in tensor.shape) or "scalar"
