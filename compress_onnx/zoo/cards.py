"""Cards of trained networks, and where these lie: found by name and read without importing torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import TypeAdapter, ValidationError

from compress_onnx.errors import CheckpointError
from compress_onnx.options import lookup_folders
from compress_onnx.records import Preprocessing, record
from compress_onnx.registry import unknown
from compress_onnx.zoo.recipe import TrainingRecipe

WEIGHTS = "weights.safetensors"
CARD = "card.json"
CARD_SCHEMA = 1
Origin: TypeAlias = Literal["trained", "given"]
"""Whether the weights were trained into this folder, or given and only tested."""


@record
class ModelCard:
    """What a trained network is and where it came from; ``test_accuracy`` is a fraction.

    ``versions`` are those that trained it, or that tested it where its weights were given.
    """

    schema_version: int
    network: str
    dataset: str
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    recipe: TrainingRecipe
    seed: int
    epochs: int
    versions: dict[str, str]
    train_sha256: str
    train_n: int
    test_sha256: str
    test_n: int
    test_accuracy: float
    parameters: int
    weights_sha256: str
    origin: Origin = "trained"


_ADAPTER = TypeAdapter(ModelCard)


def model_roots() -> tuple[Path, ...]:
    """Return the folders in which names are looked up, first to last."""
    return lookup_folders("models")


def model_names() -> list[str]:
    """Return the names of all models found, sorted."""
    return sorted({card.parent.name for root in model_roots() for card in root.glob(f"*/{CARD}")})


def model_folder(name: str | Path) -> Path:
    """Return the folder of a model given by folder or name."""
    candidates = [Path(name), *(root / name for root in model_roots())]
    for folder in candidates:
        if (folder / CARD).is_file():
            return folder
    if Path(name).is_dir():
        raise CheckpointError(
            f"{WEIGHTS} and {CARD}", "a folder without a card", where=name, remedy="Train a model into it first."
        )
    raise unknown("trained model", str(name), model_names(), where="models/")


def load_card(path: Path) -> ModelCard:
    """Read and validate a card.

    Errors
    ------
    CheckpointError
        if it is missing, not JSON, or not what :class:`ModelCard` says.
    """
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except OSError as error:
        raise CheckpointError(
            "a model card", error.strerror or "no file", where=path, remedy="Restore it or train again."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise CheckpointError(
            "a model card", f"{first['msg']} in {field}", where=path, remedy="Restore it or train again."
        ) from error


def card_text(card: ModelCard) -> str:
    """Return a card as the JSON that :func:`load_card` reads."""
    return json.dumps(_ADAPTER.dump_python(card, mode="json"), indent=1) + "\n"
