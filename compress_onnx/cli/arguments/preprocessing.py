"""How pictures become inputs of a model whose file does not say it: means, deviations, size and layout."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_onnx.errors import OptionError

if TYPE_CHECKING:
    from compress_onnx.records import Preprocessing

NCHW = "NCHW"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessingFlags:
    """What --mean, --std, --size and --layout say, as texts; empty is not said."""

    mean: Annotated[
        str, typer.Option(help="Channel means of pixels scaled to 0..1, as 0.5,0.5,0.5 (foreign models).")
    ] = ""
    std: Annotated[str, typer.Option(help="Channel standard deviations, likewise.")] = ""
    size: Annotated[
        str, typer.Option(help="Picture size as 32 or 224x320 (height x width); the model's by default.")
    ] = ""
    layout: Annotated[str, typer.Option(help="NCHW or NHWC.")] = NCHW

    def of(self, model: Path) -> Preprocessing | None:
        """Return the preprocessing that is said for a model, ``None`` without any.

        The size is the model's own where it has one.

        Errors
        ------
        OptionError
            if the flags do not fit together or the size is nowhere to be found.
        """
        if not self.mean and not self.std and not self.size and self.layout == NCHW:
            return None
        self._expect_both()
        from compress_onnx.model import Model

        shape = Model.of(model).signature.image_shape
        own = shape[1:] if self.layout == NCHW else shape[:2]
        height, width = picture_size(self.size) if self.size else own
        if height is None or width is None:
            raise OptionError("--size, since the model takes any", "none", where=model)
        return self.sized((height, width))

    def sized(self, size: tuple[int, int]) -> Preprocessing:
        """Return the preprocessing for pictures of ``size`` (height, width).

        Errors
        ------
        OptionError
            if the values do not fit together.
        """
        from compress_onnx.model import check_preprocessing
        from compress_onnx.records import Preprocessing

        self._expect_both()
        preprocessing = Preprocessing(
            height=size[0],
            width=size[1],
            mean=numbers(self.mean, "mean"),
            std=numbers(self.std, "std"),
            layout=self.layout,
        )
        try:
            check_preprocessing(preprocessing)
        except ValueError as error:
            raise OptionError("--mean, --std and --layout that fit together", str(error)) from error
        return preprocessing

    def _expect_both(self) -> None:
        if not self.mean or not self.std:
            raise OptionError("both --mean and --std", "only one of them" if self.mean or self.std else "neither")


def numbers(text: str, name: str) -> tuple[float, ...]:
    """Return comma-separated numbers.

    >>> numbers("0.5,0.25", "mean")
    (0.5, 0.25)
    """
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if not values or not all(math.isfinite(number) for number in values):
        raise OptionError(f"--{name} as numbers joined by commas", repr(text))
    return values


def picture_size(text: str) -> tuple[int, int]:
    """Return height and width.

    >>> picture_size("32"), picture_size("224x320")
    ((32, 32), (224, 320))
    """
    try:
        sizes = [int(part) for part in text.lower().split("x")]
    except ValueError:
        sizes = []
    if len(sizes) not in {1, 2} or min(sizes) < 1:
        raise OptionError("--size as 32 or 224x320", repr(text))
    return sizes[0], sizes[-1]
