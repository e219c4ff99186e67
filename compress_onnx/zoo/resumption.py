"""Training states on disk: after every epoch one safetensors file that holds all it takes to go on."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from compress_onnx.errors import CheckpointError
from compress_onnx.files import write_bytes

FOLDER = "checkpoints"
# The newest state, and the one before it in case a disk spoils the newest; a state of ResNet-18 is 90 MB.
KEPT = 2


@dataclasses.dataclass(slots=True, kw_only=True, eq=False)
class TrainingState:
    """Module, optimizer and schedule of a training, and how many epochs it has done."""

    module: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.OneCycleLR
    epoch: int = 0


def save_state(folder: Path, state: TrainingState, *, identity: str) -> Path:
    """Write the state after an epoch as ``checkpoints/epoch-NNN.safetensors``; return the path.

    Tensors are stored as such, plain numbers as JSON in the file's metadata. ``identity`` names
    recipe and data, so that another training is not continued by mistake.
    """
    tensors = {f"model.{name}": t.detach().contiguous() for name, t in state.module.state_dict().items()}
    optimizer = state.optimizer.state_dict()
    for index, slots in optimizer["state"].items():
        tensors |= {f"optimizer.{index}.{key}": t.contiguous() for key, t in slots.items()}
    plain = {
        "identity": identity,
        "epoch": state.epoch,
        "param_groups": optimizer["param_groups"],
        "schedule": state.schedule.state_dict(),
    }
    path = folder / FOLDER / f"epoch-{state.epoch:03d}.safetensors"
    # One key only: safetensors writes several in random order, and equal states shall be equal files.
    write_bytes(path, save(tensors, metadata={"state": json.dumps(plain)}))
    for older in _states(folder)[:-KEPT]:
        older.unlink()
    return path


def newest_state(folder: Path) -> Path:
    """Return the file of the last finished epoch.

    Errors
    ------
    CheckpointError
        if there is none.
    """
    files = _states(folder)
    if not files:
        raise CheckpointError(
            "a checkpoint to resume from", "none", where=folder / FOLDER, remedy="Train without --resume first."
        )
    return files[-1]


def forget_states(folder: Path) -> None:
    """Remove the states of an earlier training, so that a later resume cannot mix the two."""
    for path in _states(folder):
        path.unlink()


def _states(folder: Path) -> list[Path]:
    return sorted((folder / FOLDER).glob("epoch-*.safetensors"))


def restore_state(path: Path, state: TrainingState, *, identity: str) -> None:
    """Fill ``state``, freshly built for the same recipe, with what :func:`save_state` wrote.

    Errors
    ------
    CheckpointError
        if the file is broken or belongs to another recipe or other data.
    """
    tensors, plain = _read(path)
    if plain.get("identity") != identity:
        raise CheckpointError(
            "a checkpoint of this recipe and data",
            "one of another training",
            where=path,
            remedy="Train without --resume, or with the options and data it was begun with.",
        )
    state.module.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
    state.optimizer.load_state_dict({"state": _slots(tensors), "param_groups": _groups(plain["param_groups"])})
    state.schedule.load_state_dict(plain["schedule"])
    state.epoch = plain["epoch"]


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            plain = json.loads((file.metadata() or {}).get("state", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, plain  # noqa: SIM118  # no dict
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            "a whole checkpoint of a training",
            str(error),
            where=path,
            remedy="Remove this file and resume from the one before it.",
        ) from error


def _slots(tensors: dict[str, torch.Tensor]) -> dict[int, dict[str, torch.Tensor]]:
    slots: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            slots.setdefault(int(index), {})[key] = tensor
    return slots


def _groups(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # JSON knows no tuples; Adam's betas are one.
    return [{k: tuple(v) if k == "betas" else v for k, v in group.items()} for group in groups]
