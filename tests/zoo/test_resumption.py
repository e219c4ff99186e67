"""States of a training: what is restored is what was saved, and nothing of another training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")
pytest.importorskip("safetensors")

from compress_onnx.errors import CheckpointError  # noqa: E402  # only where torch is
from compress_onnx.zoo.resumption import (  # noqa: E402
    KEPT,
    TrainingState,
    forget_states,
    newest_state,
    restore_state,
    save_state,
)

OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.1, betas=(0.8, 0.99)),
}


def _fresh(optimizer: str, seed: int = 0) -> TrainingState:
    torch.manual_seed(seed)
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
    made = OPTIMIZERS[optimizer](module.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(made, max_lr=0.1, total_steps=20)
    return TrainingState(module=module, optimizer=made, schedule=schedule)


def _train(state: TrainingState, *, steps: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        loss = state.module(torch.randn(5, 3, generator=generator)).square().mean()
        state.optimizer.zero_grad()
        loss.backward()
        state.optimizer.step()
        state.schedule.step()
    state.epoch += 1


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_a_restored_training_goes_on_bit_for_bit(optimizer: str, tmp_path: Path) -> None:
    whole = _fresh(optimizer)
    _train(whole, steps=4, seed=1)
    path = save_state(tmp_path, whole, identity="a")
    other = _fresh(optimizer, seed=9)
    restore_state(path, other, identity="a")
    assert other.epoch == 1
    assert other.schedule.get_last_lr() == whole.schedule.get_last_lr()
    for state in (whole, other):
        _train(state, steps=3, seed=2)
    for name, tensor in whole.module.state_dict().items():
        assert torch.equal(other.module.state_dict()[name], tensor), name


def test_equal_states_are_equal_files(tmp_path: Path) -> None:
    first, second = (save_state(tmp_path / name, _fresh("adamw"), identity="a") for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()


def test_only_the_newest_states_stay(tmp_path: Path) -> None:
    state = _fresh("sgd")
    paths = [save_state(tmp_path, dataclasses.replace(state, epoch=epoch), identity="a") for epoch in range(9, 13)]
    assert newest_state(tmp_path) == paths[-1]
    assert [path for path in paths if path.exists()] == paths[-KEPT:]
    forget_states(tmp_path)
    with pytest.raises(CheckpointError, match="a checkpoint to resume from, got none"):
        newest_state(tmp_path)


def test_another_training_is_not_continued(tmp_path: Path) -> None:
    path = save_state(tmp_path, _fresh("sgd"), identity="a")
    state = _fresh("sgd", seed=3)
    before = {name: tensor.clone() for name, tensor in state.module.state_dict().items()}
    with pytest.raises(CheckpointError, match="a checkpoint of this recipe and data, got one of another training"):
        restore_state(path, state, identity="b")
    assert all(torch.equal(state.module.state_dict()[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize("content", [b"", b"no safetensors"])
def test_a_broken_file_says_where_to_go_on(tmp_path: Path, content: bytes) -> None:
    path = save_state(tmp_path, _fresh("sgd"), identity="a")
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a whole checkpoint .*resume from the one before it"):
        restore_state(path, _fresh("sgd"), identity="a")
