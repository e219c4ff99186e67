"""``train`` as a user asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from compress_onnx.files import sha256_of_file  # noqa: E402  # after the skips
from compress_onnx.zoo.cards import CARD, load_card  # noqa: E402


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("more", [("--resume",), ("--epochs", "1")])
def test_given_weights_are_not_trained(cli: Any, tmp_path: Path, more: tuple[str, ...]) -> None:
    answer = cli("train", "lenet5", "digits", "--weights", tmp_path / "w.safetensors", *more, "-o", tmp_path / "m")
    assert answer.code == 2
    assert "Expected --weights by itself, got it with --resume or --epochs" in answer.err
    assert not (tmp_path / "m").exists()


@pytest.mark.slow
def test_a_network_is_trained_into_its_folder_and_its_weights_can_be_tested_elsewhere(cli: Any, tmp_path: Path) -> None:
    answer = cli("train", "lenet5", "digits", "--epochs", "1", "--seed", "3", "-o", tmp_path / "m", "--json")
    assert answer.code == 0, answer.err
    card = load_card(tmp_path / "m" / CARD)
    assert (answer.json["network"], answer.json["seed"], answer.json["epochs"]) == ("lenet5", 3, 1)
    assert answer.json["test_accuracy"] == card.test_accuracy
    assert f"Next: compress-onnx export {tmp_path / 'm'}" in answer.err
    (weights,) = (tmp_path / "m").glob("*.safetensors")
    assert card.weights_sha256 == sha256_of_file(weights)
    adopted = cli("train", "lenet5", "digits", "--seed", "3", "--weights", weights, "-o", tmp_path / "n", "--json")
    assert adopted.code == 0, adopted.err
    assert adopted.json["test_accuracy"] == card.test_accuracy
    assert adopted.json["origin"] != card.origin
