"""Trained models by name, found without importing torch."""

from __future__ import annotations

from pathlib import Path

CARD = "card.json"


def model_roots() -> tuple[Path, ...]:
    """Return the folders in which names are looked up, first to last."""
    return Path("models"), Path(__file__).resolve().parents[2] / "models"


def trained_models() -> list[str]:
    """Return the names of all trained models, ``<network>-<dataset>``, sorted."""
    return sorted({card.parent.name for root in model_roots() for card in root.glob(f"*/{CARD}")})
