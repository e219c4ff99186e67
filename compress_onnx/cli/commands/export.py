"""``compress-onnx export``: a trained network becomes a checked ONNX file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_onnx.cli.arguments import Json, Output, PreprocessingFlags, option_groups, picture_size
from compress_onnx.cli.output import progress_bars, put
from compress_onnx.errors import OptionError

if TYPE_CHECKING:
    from compress_onnx.data import ImageSet
    from compress_onnx.steps import Exported


@option_groups(size="32")
def export_command(
    model: Annotated[str, typer.Argument(help="A name or folder of models/, or a .safetensors file with --factory.")],
    *,
    output: Output = None,
    factory: Annotated[
        str, typer.Option(help="package.module:callable that returns the torch module to fill (own networks).")
    ] = "",
    data: Annotated[str, typer.Option("--data", help="Images for the parity check; the model's own by default.")] = "",
    fold: Annotated[bool, typer.Option("--fold", help="Fold BatchNorm in the file.")] = False,
    preprocessing: PreprocessingFlags,
    as_json: Json = False,
) -> None:
    """Export a trained network to ONNX (opset 21, dynamic batch) and check it against PyTorch.

    Example: compress-onnx export lenet5-gtsrb -o lenet5.onnx
    """
    from compress_onnx.extras import require_extra
    from compress_onnx.model import model_sha256, save_model

    require_extra("torch", command="compress-onnx export")
    with progress_bars() as stages:
        progress = stages(f"export {model}")
        if factory:
            result = _from_checkpoint(Path(model), factory, data, preprocessing, fold=fold)
        else:
            result = _from_models(model, data, fold=fold)
        progress(1.0, "")
    path = output or Path(f"{Path(model).stem if factory else Path(model).name}.onnx")
    save_model(result.model, path)
    facts = {"path": str(path), "sha256": model_sha256(result.model), "parity": result.parity}
    put(json.dumps(facts) if as_json else f"{path}: max |Δlogit| is {result.parity:.1e} of the logit range")


def _from_models(name: str, data: str, *, fold: bool) -> Exported:
    from compress_onnx.steps import exported, own_images

    return exported(name, images=_images(data) or own_images(name), fold=fold)


def _from_checkpoint(path: Path, factory: str, data: str, flags: PreprocessingFlags, *, fold: bool) -> Exported:
    from compress_onnx.steps import checkpoint_exported

    if flags.layout != "NCHW":
        raise OptionError("--layout NCHW, as torch modules take it", repr(flags.layout))
    preprocessing = flags.sized(picture_size(flags.size))
    return checkpoint_exported(path, factory, preprocessing, images=_images(data), fold=fold)


def _images(spec: str) -> ImageSet | None:
    from compress_onnx.data import load_data

    return load_data(spec) if spec else None
