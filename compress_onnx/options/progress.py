"""How long steps say where they are: a callable that is told the fraction done."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, str], None]
"""Told the fraction done (0 to 1) of a long step and a short description of where it is."""


def silent(fraction: float, description: str) -> None:
    """Ignore progress: the default of every long step."""


Stages = Callable[[str], Progress]
"""Given a stage's name, returns the progress of that stage."""


def silent_stages(name: str) -> Progress:
    """Ignore the progress of every stage."""
    del name
    return silent
