"""Training images that calibrate or repair: which, how many, and which must not be among them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_onnx.cli.arguments.flags import Seed, flag
from compress_onnx.cli.arguments.preprocessing import PreprocessingFlags
from compress_onnx.options import CALIBRATION_SIZE, CPU, METHOD, SEED

if TYPE_CHECKING:
    from compress_onnx.steps import CalibrationData


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationFlags:
    """How ranges are chosen, for which CPU, from which images."""

    calibration_size: Annotated[int, flag(CALIBRATION_SIZE)] = CALIBRATION_SIZE.default
    method: Annotated[str, flag(METHOD, more=f"One of {', '.join(METHOD.choices)}.")] = METHOD.default
    cpu: Annotated[str, flag(CPU, more=f"One of {', '.join(CPU.choices)}.")] = CPU.default
    exclude: Annotated[
        str, typer.Option(help="Images that must not calibrate; the test split of named data by default.")
    ] = ""
    seed: Seed = SEED.default
    preprocessing: PreprocessingFlags

    def data(self, model: Path, name: str) -> CalibrationData:
        """Return the calibration data of that name."""
        images = TrainingImages(data=name, exclude=self.exclude, size=self.calibration_size, seed=self.seed)
        return images.load(model, self.preprocessing)

    def target(self) -> str:
        """Return the CPU that the file will run on."""
        from compress_onnx.runtime import cpu_target

        return cpu_target() if self.cpu == "auto" else self.cpu


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainingImages:
    """Training images that a command is fed; the test split of named data is left out unless others are named."""

    data: str
    size: int
    seed: int
    exclude: str = ""

    def load(self, model: Path, preprocessing: PreprocessingFlags) -> CalibrationData:
        """Return the images as ``model`` takes them."""
        from compress_onnx.data import load_data
        from compress_onnx.steps import CalibrationData

        exclude = self.exclude or self._test_split()
        return CalibrationData(
            training=load_data(self.data),
            evaluation=load_data(exclude) if exclude else None,
            size=self.size,
            seed=self.seed,
            preprocessing=preprocessing.of(model),
        )

    def _test_split(self) -> str:
        from compress_onnx.extension_points import datasets

        name, _, split = self.data.partition(":")
        return f"{name}:test" if split == "train" and name in datasets() else ""
