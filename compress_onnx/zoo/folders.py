"""Where trained models lie, found by name without importing torch."""

from __future__ import annotations

from pathlib import Path

from compress_onnx.errors import CheckpointError
from compress_onnx.options import lookup_folders
from compress_onnx.registry import unknown

WEIGHTS = "weights.safetensors"
CARD = "card.json"


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
