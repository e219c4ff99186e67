"""Options that several commands share, and how their texts become values."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_onnx.errors import OptionError
from compress_onnx.options import (
    BATCH,
    CALIBRATION_SIZE,
    CALLS,
    CPU,
    METHOD,
    ROUNDS,
    SALIENCY_SAMPLES,
    SALIENCY_TARGET,
    SEED,
    THREADS,
    NumberOption,
)

if TYPE_CHECKING:
    from compress_onnx.records import Preprocessing

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="File to write; beside the input by default.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder of the run; reports/<run id> by default.")]
Data = Annotated[
    str,
    typer.Option(
        "--data", help="digits, cifar10, gtsrb (with :train or :test), a .parquet or .npz file, or a folder per class."
    ),
]
Seed = Annotated[int, typer.Option(help=SEED.help)]
Threads = Annotated[int, typer.Option(help=THREADS.help)]
UsedThreads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        help="Threads that predict, one per core by default; the timing's intra-op threads too, 1 by default.",
    ),
]
Cache = Annotated[bool, typer.Option(help="Keep predictions for the next comparison of the same file and data.")]
Rounds = Annotated[int, typer.Option(help=ROUNDS.help)]
Calls = Annotated[int, typer.Option(help=CALLS.help)]
Batch = Annotated[
    int,
    typer.Option(help=f"{BATCH.help} Models whose answers depend on the other images of a call predict so too."),
]
CalibrationSize = Annotated[int, typer.Option(help=CALIBRATION_SIZE.help)]
Method = Annotated[str, typer.Option(help=f"{METHOD.help} One of {', '.join(METHOD.choices)}.")]
Cpu = Annotated[str, typer.Option(help=f"{CPU.help} One of {', '.join(CPU.choices)}.")]
Saliency = Annotated[
    str,
    typer.Option(
        help="Attribution method (grad-cam:LAYER for a layer by its ONNX name), none, or auto: "
        "gradient where the torch extra is installed."
    ),
]
SaliencyTarget = Annotated[str, typer.Option(help=SALIENCY_TARGET.help)]
SaliencySamples = Annotated[int, typer.Option(help=SALIENCY_SAMPLES.help)]
Target = Annotated[
    str,
    typer.Option(
        help="Ask another CPU too: simulated:x86-64-avx2, simulated:x86-64-vnni or simulated:aarch64 (its arithmetic, "
        "on this machine), qemu:haswell or qemu:CPU (emulated), qemu-aarch64:CPU:ROOT (a folder with an ARM "
        "Python), ssh://user@board:port/path/to/python (port and path may be left out), or local."
    ),
]
Mean = Annotated[str, typer.Option(help="Channel means of pixels scaled to 0..1, as 0.5,0.5,0.5 (foreign models).")]
Std = Annotated[str, typer.Option(help="Channel standard deviations, likewise.")]
Size = Annotated[str, typer.Option(help="Picture size as 32 or 224x320 (height x width); the model's by default.")]
Layout = Annotated[str, typer.Option(help="NCHW or NHWC.")]


def numbers(text: str, name: str) -> tuple[float, ...]:
    """Return comma-separated numbers.

    >>> numbers("0.5,0.25", "mean")
    (0.5, 0.25)
    """
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(math.isfinite(number) for number in found):
        raise OptionError(f"--{name} as numbers joined by commas", repr(text))
    return found


def counts(text: str, option: NumberOption[int]) -> tuple[int, ...]:
    """Return whole numbers joined by commas, each within the option's bounds and each once, in their order.

    >>> counts("1,8,1,32", BATCH)
    (1, 8, 32)
    """
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        raise OptionError(f"--{option.name} as whole numbers joined by commas", repr(text)) from None
    return tuple(dict.fromkeys(option.check(number) for number in found))


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


def preprocessing_of(model: Path, *, mean: str, std: str, size: str, layout: str) -> Preprocessing | None:
    """Return the preprocessing that flags describe for a foreign model, ``None`` without any.

    The size is the model's own where it has one.

    Errors
    ------
    OptionError
        if the flags do not fit together or the size is nowhere to be found.
    """
    if not mean and not std and not size and layout == "NCHW":
        return None
    if not mean or not std:
        raise _lone(mean or std)
    from compress_onnx.model import load_model, signature_of

    shape = signature_of(load_model(model), where=model).image_shape
    own = shape[1:] if layout == "NCHW" else shape[:2]
    height, width = picture_size(size) if size else own
    if height is None or width is None:
        raise OptionError("--size, since the model takes any", "none", where=model)
    return checked_preprocessing((height, width), mean=mean, std=std, layout=layout)


def checked_preprocessing(size: tuple[int, int], *, mean: str, std: str, layout: str) -> Preprocessing:
    """Return a preprocessing whose values fit together, else raise :class:`OptionError`."""
    from compress_onnx.model import check_preprocessing
    from compress_onnx.records import Preprocessing

    if not mean or not std:
        raise _lone(mean or std)
    found = Preprocessing(
        height=size[0], width=size[1], mean=numbers(mean, "mean"), std=numbers(std, "std"), layout=layout
    )
    try:
        check_preprocessing(found)
    except ValueError as error:
        raise OptionError("--mean, --std and --layout that fit together", str(error)) from error
    return found


def _lone(given: str) -> OptionError:
    return OptionError("both --mean and --std", "only one of them" if given else "neither")
