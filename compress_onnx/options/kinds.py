"""What an option is: a number with bounds, or one of a few names; and how a dataclass holds several."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Generic, TypeVar

from compress_onnx.errors import OptionError
from compress_onnx.registry import unknown

N = TypeVar("N", int, float)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NumberOption(Generic[N]):
    """A number with a default and bounds; ``below`` excludes its value, ``low``/``high`` include theirs.

    >>> NumberOption(name="sparsity", default=0.5, low=0.0, below=1.0, help="").check(0.7)
    0.7
    """

    name: str
    default: N
    help: str
    low: N | None = None
    high: N | None = None
    below: N | None = None

    def check(self, value: N) -> N:
        """Return ``value`` if it lies within the bounds, else raise :class:`OptionError`."""
        fits = (
            math.isfinite(value)
            and (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.below is None or value < self.below)
        )
        if not fits:
            raise OptionError(f"{self.name} {self.bounds()}", str(value), remedy=f"Give --{self.name} a value there.")
        return value

    def bounds(self) -> str:
        """Say the bounds in words."""
        parts = [f"at least {self.low}"] if self.low is not None else []
        parts += [f"at most {self.high}"] if self.high is not None else []
        parts += [f"below {self.below}"] if self.below is not None else []
        return " and ".join(parts) or "that is finite"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceOption:
    """One of a few names."""

    name: str
    default: str
    help: str
    choices: tuple[str, ...]

    def check(self, value: str) -> str:
        """Return ``value`` if it is one of the choices, else raise with near names."""
        if value not in self.choices:
            raise unknown(self.name, value, self.choices, where=f"--{self.name}")
        return value


_OPTION = "option"
_ITS_OWN: Any = object()


def option_field(option: NumberOption[Any] | ChoiceOption, *, default: Any = _ITS_OWN) -> Any:
    """Return a dataclass field that holds an option: with its default, or another one such as ``None``."""
    return dataclasses.field(default=option.default if default is _ITS_OWN else default, metadata={_OPTION: option})


def check_options(holder: Any) -> None:
    """Check every :func:`option_field` of a dataclass instance, in their order; ``None`` is not given and passes.

    >>> @dataclasses.dataclass
    ... class Blur:
    ...     width: int = option_field(NumberOption(name="width", default=3, low=1, help=""))
    >>> check_options(Blur())
    >>> check_options(Blur(width=0))
    Traceback (most recent call last):
    compress_onnx.errors.OptionError: Expected width at least 1, got 0. Give --width a value there.

    Errors
    ------
    OptionError
        if a number is out of its bounds.
    UnknownNameError
        if a name is none of the choices.
    """
    for field in dataclasses.fields(holder):
        option, value = field.metadata.get(_OPTION), getattr(holder, field.name)
        if option is not None and value is not None:
            option.check(value)
