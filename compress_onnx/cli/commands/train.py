"""``compress-onnx train``: a network by its documented recipe."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_onnx.cli.arguments import Json, Seed
from compress_onnx.cli.output import progress_bars, put, say
from compress_onnx.errors import OptionError
from compress_onnx.options import SEED, Progress

if TYPE_CHECKING:
    from compress_onnx.zoo import TrainedModel, TrainingJob


def train_command(
    network: Annotated[str, typer.Argument(help="lenet5, squeezenet or resnet18.")],
    dataset: Annotated[str, typer.Argument(help="Data set with a train and a test split: digits, cifar10, gtsrb.")],
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Model folder; models/<network>-<dataset> by default.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs; the recipe's by default.")] = None,
    seed: Seed = SEED.default,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the newest checkpoint.")] = False,
    weights: Annotated[
        Path | None, typer.Option(help="Train nothing: test this safetensors file, made by the recipe elsewhere.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a network and write its weights (safetensors) and card (recipe, seed, versions, accuracy).

    A checkpoint is kept after every epoch, so an interrupted training goes on with --resume and
    ends with the same weights.

    Example: compress-onnx train lenet5 gtsrb
    """
    from compress_onnx.extras import require_extra

    require_extra("torch", command="compress-onnx train")
    if ":" in dataset:
        raise OptionError("a data set without a split, since train uses both", repr(dataset))
    if weights is not None and (resume or epochs is not None):
        raise OptionError("--weights by itself", "it with --resume or --epochs", remedy="Leave one of them out.")
    job = _job(network, dataset, seed, epochs, folder=output or Path("models") / f"{network}-{dataset}")
    with progress_bars() as stages:
        trained = _trained(job, weights, stages(f"train {network}"), resume=resume)
    if as_json:
        put(json.dumps(dataclasses.asdict(trained.card), indent=1))
    else:
        put(f"{trained.folder}: test accuracy {trained.card.test_accuracy:.4f}, {trained.card.parameters} parameters")
    say(f"Next: compress-onnx export {trained.folder}")


def _job(network: str, dataset: str, seed: int, epochs: int | None, *, folder: Path) -> TrainingJob:
    from compress_onnx.data import load_data
    from compress_onnx.zoo import TrainingJob, recipe_for

    recipe = dataclasses.replace(recipe_for(network, dataset), seed=seed)
    if epochs is not None:
        recipe = dataclasses.replace(recipe, epochs=_at_least_one(epochs))
    train_set, test_set = load_data(f"{dataset}:train"), load_data(f"{dataset}:test")
    return TrainingJob(recipe=recipe, train_set=train_set, test_set=test_set, folder=folder)


def _trained(job: TrainingJob, weights: Path | None, progress: Progress, *, resume: bool) -> TrainedModel:
    from compress_onnx.zoo import adopt, train
    from compress_onnx.zoo import resume as resume_training

    if weights is not None:
        return adopt(job, weights, progress=progress)
    return (resume_training if resume else train)(job, progress=progress)


def _at_least_one(epochs: int) -> int:
    if epochs < 1:
        raise OptionError("at least 1 epoch", str(epochs))
    return epochs
