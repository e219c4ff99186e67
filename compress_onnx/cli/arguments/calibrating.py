"""Training images that calibrate or repair: which, how many, and which must not be among them."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from compress_onnx.cli.arguments.flags import Seed, flag
from compress_onnx.cli.arguments.preprocessing import PreprocessingFlags
from compress_onnx.options import CALIBRATION_SIZE, CPU, METHOD, SEED


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
