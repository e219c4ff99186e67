"""Train a network by its recipe: seeded, checkpointed after every epoch, resumable to equal weights."""

from __future__ import annotations

import dataclasses
import json
import platform
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from compress_onnx.files import sha256_of
from compress_onnx.options import Progress, silent
from compress_onnx.records import Preprocessing
from compress_onnx.zoo.batches import (
    LabeledImages,
    channel_statistics,
    epoch_generator,
    in_memory,
    normalized,
    training_batches,
)
from compress_onnx.zoo.cards import CARD_SCHEMA, ModelCard, Origin
from compress_onnx.zoo.checkpoints import encoded_weights, load_checkpoint, rounded, save_model
from compress_onnx.zoo.networks import build, count_parameters, with_batch_norm, without_batch_norm
from compress_onnx.zoo.recipe import TrainingRecipe
from compress_onnx.zoo.resumption import TrainingState, forget_states, newest_state, restore_state, save_state

SIZE = 32
_RAW = Preprocessing(height=SIZE, width=SIZE, mean=(0.0,) * 3, std=(1.0,) * 3)
_TEST_BATCH = 500


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingJob:
    """What is trained, on what, how, and into which folder."""

    recipe: TrainingRecipe
    train_set: LabeledImages
    test_set: LabeledImages
    folder: Path

    @property
    def identity(self) -> str:
        """Name recipe and training data by one hash."""
        recipe = json.dumps(dataclasses.asdict(self.recipe), sort_keys=True)
        return sha256_of(recipe.encode(), self.train_set.info.sha256.encode())


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedModel:
    """A trained network, its card and the folder that holds both."""

    module: nn.Module
    card: ModelCard
    folder: Path


def train(job: TrainingJob, *, progress: Progress = silent) -> TrainedModel:
    """Train from random weights, forgetting any earlier checkpoints of the folder.

    Writes ``checkpoints/epoch-NNN.safetensors`` after every epoch, and at the end
    ``weights.safetensors`` and ``card.json`` with the accuracy on the whole test set.
    """
    forget_states(job.folder)
    return _finish(job, None, progress)


def resume(job: TrainingJob, *, progress: Progress = silent) -> TrainedModel:
    """Continue from the newest checkpoint in the folder; the result equals an uninterrupted training.

    Errors
    ------
    CheckpointError
        if there is no checkpoint, or it belongs to another recipe or other data.
    """
    return _finish(job, newest_state(job.folder), progress)


def _finish(job: TrainingJob, checkpoint: Path | None, progress: Progress) -> TrainedModel:
    progress(0.0, "reading pictures")
    pixels, labels = in_memory(job.train_set, _RAW)
    preprocessing = preprocessing_for(job.recipe, pixels)
    # The caller's random state is left as it was: dropout and initialization use torch's global one.
    with torch.random.fork_rng(devices=[]):
        state = _start(job, steps_per_epoch=max(1, len(labels) // job.recipe.batch))
        if checkpoint is not None:
            restore_state(checkpoint, state, identity=job.identity)
        while state.epoch < job.recipe.epochs:
            _run_epoch(state, (pixels, labels), job.recipe, preprocessing, progress=progress)
            save_state(job.folder, state, identity=job.identity)
    return _saved(job, _finished(state.module, job.recipe), preprocessing, "trained", progress=progress)


def adopt(job: TrainingJob, weights: Path, *, progress: Progress = silent) -> TrainedModel:
    """Take a safetensors file that this recipe made on another machine as the trained network, and test it.

    The weights are rounded as the recipe stores them, and the rounded network is the one whose
    accuracy the card holds.

    Errors
    ------
    CheckpointError
        if the file is not this network's with this data set's number of classes.
    """
    recipe = job.recipe
    module = load_checkpoint(weights, lambda: build(recipe.network, len(job.train_set.info.class_names)))
    progress(0.0, "reading pictures")
    preprocessing = preprocessing_for(recipe, in_memory(job.train_set, _RAW)[0])
    return _saved(job, rounded(module, stored=recipe.stored), preprocessing, "given", progress=progress)


def preprocessing_for(recipe: TrainingRecipe, pixels: torch.Tensor) -> Preprocessing:
    """Return the recipe's preprocessing; what it leaves open is measured on pictures (N, 3, H, W) uint8."""
    mean, std = channel_statistics(pixels)
    return dataclasses.replace(_RAW, mean=recipe.mean or mean, std=recipe.std or std)


def _saved(
    job: TrainingJob, module: nn.Module, preprocessing: Preprocessing, origin: Origin, *, progress: Progress
) -> TrainedModel:
    """Test a finished network and write it with its card."""
    progress(1.0, f"testing on {len(job.test_set)} images")
    card = _card(job, module, preprocessing, origin)
    save_model(job.folder, module, card)
    return TrainedModel(module=module, card=card, folder=job.folder)


def _start(job: TrainingJob, *, steps_per_epoch: int) -> TrainingState:
    recipe = job.recipe
    torch.manual_seed(recipe.seed)
    module = build(recipe.network, len(job.train_set.info.class_names))
    if recipe.batch_norm:
        module = with_batch_norm(module)
    if recipe.channels_last:
        module = module.to(memory_format=torch.channels_last)
    optimizer = _optimizer(module, recipe)
    schedule = _one_cycle(optimizer, recipe, steps=recipe.epochs * steps_per_epoch)
    return TrainingState(module=module, optimizer=optimizer, schedule=schedule)


def _finished(trained: nn.Module, recipe: TrainingRecipe) -> nn.Module:
    """Return the network as it will be read back: no BatchNorm of the training, weights rounded as stored."""
    module = without_batch_norm(trained).to(memory_format=torch.contiguous_format)
    return rounded(module, stored=recipe.stored)


def _one_cycle(
    optimizer: torch.optim.Optimizer, recipe: TrainingRecipe, *, steps: int
) -> torch.optim.lr_scheduler.OneCycleLR:
    # torch divides by the length of each phase, and a phase of a training of few steps can have none.
    total = max(steps, 3)
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=recipe.peak_rate, total_steps=total, pct_start=max(recipe.warmup, 1.5 / total)
    )


def _optimizer(module: nn.Module, recipe: TrainingRecipe) -> torch.optim.Optimizer:
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            module.parameters(), lr=recipe.peak_rate, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
        )
    return torch.optim.AdamW(module.parameters(), lr=recipe.peak_rate, weight_decay=recipe.weight_decay)


def _run_epoch(
    state: TrainingState,
    data: tuple[torch.Tensor, torch.Tensor],
    recipe: TrainingRecipe,
    preprocessing: Preprocessing,
    *,
    progress: Progress,
) -> None:
    rng = epoch_generator(recipe.seed, state.epoch)
    torch.manual_seed(int(rng.integers(2**62)))
    state.module.train()
    seen, loss_sum, right = 0, 0.0, 0
    size = min(recipe.batch, len(data[1]))
    shown = len(data[1]) // size * size
    for pictures, labels in training_batches(*data, recipe, rng=rng):
        loss, logits = _step(state, normalized(pictures, preprocessing), labels, recipe)
        seen += len(labels)
        loss_sum += loss * len(labels)
        right += int((logits.argmax(1) == labels).sum())
        progress(
            (state.epoch + seen / shown) / recipe.epochs,
            f"epoch {state.epoch + 1}/{recipe.epochs} loss {loss_sum / seen:.3f} accuracy {right / seen:.3f}",
        )
    state.epoch += 1


def _step(
    state: TrainingState, inputs: torch.Tensor, labels: torch.Tensor, recipe: TrainingRecipe
) -> tuple[float, torch.Tensor]:
    if recipe.channels_last:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=recipe.bfloat16):
        logits = state.module(inputs)
    loss = functional.cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)
    state.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    if recipe.clip_norm is not None:
        nn.utils.clip_grad_norm_(state.module.parameters(), recipe.clip_norm)
    state.optimizer.step()
    state.schedule.step()
    return float(loss.detach()), logits.detach()


def measured_accuracy(module: nn.Module, images: LabeledImages, preprocessing: Preprocessing) -> float:
    """Return the fraction of images whose largest logit is their label's; float32, evaluation mode."""
    pixels, labels = in_memory(images, preprocessing)
    right = 0
    with torch.inference_mode():
        for start in range(0, len(labels), _TEST_BATCH):
            rows = slice(start, start + _TEST_BATCH)
            right += int((module(normalized(pixels[rows], preprocessing)).argmax(1) == labels[rows]).sum())
    return right / len(labels)


def _card(job: TrainingJob, module: nn.Module, preprocessing: Preprocessing, origin: Origin) -> ModelCard:
    train_info, test_info = job.train_set.info, job.test_set.info
    return ModelCard(
        schema_version=CARD_SCHEMA,
        network=job.recipe.network,
        dataset=train_info.name,
        class_names=train_info.class_names,
        preprocessing=preprocessing,
        recipe=job.recipe,
        origin=origin,
        seed=job.recipe.seed,
        epochs=job.recipe.epochs,
        versions={"python": platform.python_version()}
        | {name: version(name) for name in ("numpy", "safetensors", "torch", "torchvision")},
        train_sha256=train_info.sha256,
        train_n=train_info.n,
        test_sha256=test_info.sha256,
        test_n=test_info.n,
        test_accuracy=measured_accuracy(module, job.test_set, preprocessing),
        parameters=count_parameters(module),
        weights_sha256=sha256_of(encoded_weights(module, stored=job.recipe.stored)),
    )
