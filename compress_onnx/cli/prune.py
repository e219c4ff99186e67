"""``compress-onnx prune``: magnitude pruning of a file's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compress_onnx import config
from compress_onnx.cli.artifacts import made
from compress_onnx.cli.options import Json, Output


def prune(
    model: Annotated[Path, typer.Argument(help="ONNX file.")],
    *,
    sparsity: Annotated[float, typer.Option(help=config.SPARSITY.help)] = config.SPARSITY.default,
    scope: Annotated[str, typer.Option(help=config.SCOPE.help)] = config.SCOPE.default,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Set the smallest weights of an ONNX model to zero.

    Example: compress-onnx prune lenet5.onnx --sparsity 0.7 -o lenet5-pruned.onnx
    """
    from compress_onnx.compress.prune import PruneOptions, prune_model
    from compress_onnx.graph import load_model, save_model

    options = PruneOptions(sparsity=sparsity, scope=scope)
    path = output or model.with_name(f"{model.stem}-prune{sparsity:g}.onnx")
    save_model(prune_model(load_model(model), options, where=model), path)
    made(path, as_json=as_json)
