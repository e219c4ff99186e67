"""What every record is made of: the decorator, measures and intervals."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TypeAlias, TypeVar, dataclass_transform

SCHEMA_VERSION = 3

T = TypeVar("T")
OptionValue: TypeAlias = bool | int | float | str | list[str] | list[float] | list[int] | None


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(cls: type[T]) -> type[T]:
    """Make a class a record: frozen, slotted, keyword-only, and strict about unknown fields."""
    built = dataclasses.dataclass(frozen=True, slots=True, kw_only=True)(cls)
    # Read by pydantic when a record is validated; a plain dict keeps this module free of pydantic.
    built.__pydantic_config__ = {"extra": "forbid", "allow_inf_nan": False}  # type: ignore[attr-defined]  # no such slot declared
    return built


class Better(StrEnum):
    """Direction in which a measure improves."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


@record
class Interval:
    """Two bounds that hold the true value with probability ``level``; ``method`` names the source."""

    low: float
    high: float
    level: float
    method: str


@record
class Measure:
    """One number with what it owes its reader.

    ``value`` is ``None`` exactly when ``undefined_reason`` says why. ``n`` counts the samples
    behind it.
    """

    value: float | None
    unit: str
    better: Better
    n: int
    interval: Interval | None = None
    undefined_reason: str | None = None

    def __float__(self) -> float:
        """Return the value.

        Errors
        ------
        ValueError
            if it is undefined; the reason is in the message.
        """
        if self.value is None:
            message = f"undefined: {self.undefined_reason}"
            raise ValueError(message)
        return self.value


def undefined(reason: str, *, unit: str, better: Better, n: int = 0) -> Measure:
    """Return a measure that could not be taken, with the reason.

    >>> undefined("no labels", unit="fraction", better=Better.HIGHER).value is None
    True
    """
    return Measure(value=None, unit=unit, better=better, n=n, undefined_reason=reason)
