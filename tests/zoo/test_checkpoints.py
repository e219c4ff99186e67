from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")
safetensors = pytest.importorskip("safetensors.torch")

from compress_onnx.errors import CheckpointError, UnknownNameError  # noqa: E402  # only where torch is
from compress_onnx.zoo import cards  # noqa: E402
from compress_onnx.zoo.checkpoints import load_checkpoint, load_model, save_model  # noqa: E402
from compress_onnx.zoo.networks import lenet5  # noqa: E402
from compress_onnx.zoo.training import TrainingJob, train  # noqa: E402


def ten() -> Any:
    return lenet5(10)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "w.safetensors"
    safetensors.save_file(ten().state_dict(), path)
    return path


@pytest.fixture
def folder(make_job: Callable[..., TrainingJob]) -> Path:
    return train(make_job("lenet5-halves", epochs=1)).folder


def test_what_is_saved_is_loaded(weights: Path) -> None:
    stored = safetensors.load_file(weights)
    module = load_checkpoint(weights, ten)
    assert not module.training
    assert all(torch.equal(tensor, stored[name]) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_precision_is_widened_exactly(tmp_path: Path, kind: str) -> None:
    half = {name: tensor.to(getattr(torch, kind)) for name, tensor in ten().state_dict().items()}
    safetensors.save_file(half, tmp_path / "h.safetensors")
    module = load_checkpoint(tmp_path / "h.safetensors", ten)
    for name, tensor in module.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, half[name].float())


def test_other_shapes_are_named(weights: Path) -> None:
    with pytest.raises(CheckpointError, match=r"fc3.weight of shape 43x84, got shape 10x84 \(.*w.safetensors\)"):
        load_checkpoint(weights, lambda: lenet5(43))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda state: {n: t for n, t in state.items() if n != "conv1.bias"}, r"a tensor conv1\.bias, got none"),
        (lambda state: state | {"conv9.bias": torch.zeros(2)}, r"only the network's tensors, got also conv9\.bias"),
        (lambda state: state | {"conv1.bias": torch.tensor(1.0)}, r"conv1\.bias of shape 6, got shape scalar"),
    ],
)
def test_other_tensors_are_named(tmp_path: Path, change: Callable[[Any], Any], sentence: str) -> None:
    safetensors.save_file(change(dict(ten().state_dict())), tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match=sentence):
        load_checkpoint(tmp_path / "x.safetensors", ten)


class Bomb:
    """A pickle of this runs code when it is opened."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("exploded").write_text, ("boom",))


@pytest.mark.parametrize("protocol", [None, 0, 2, 3, 4, 5])
def test_a_pickle_is_refused_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int | None) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.safetensors"
    if protocol is None:
        torch.save({"conv1.bias": Bomb()}, path)
    else:
        path.write_bytes(pickle.dumps({"conv1.bias": Bomb()}, protocol=protocol))
    with pytest.raises(CheckpointError, match=r"a safetensors file, got a pickle, which could run any code"):
        load_checkpoint(path, ten)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("keep", [0, 4, 100, 20_000])
def test_a_truncated_file(weights: Path, keep: int) -> None:
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=rf"a whole safetensors file, got {keep} bytes that are not one"):
        load_checkpoint(weights, ten)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"a safetensors file, got No such file or directory"):
        load_checkpoint(tmp_path / "gone.safetensors", ten)
    with pytest.raises(CheckpointError, match=r"a safetensors file, got Is a directory"):
        load_checkpoint(tmp_path, ten)


def test_a_model_is_found_by_name_in_models_of_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder.parent / "models").mkdir()
    folder.rename(folder.parent / "models" / folder.name)
    monkeypatch.chdir(folder.parent)
    module, card = load_model("lenet5-halves")
    assert card.dataset == "halves"
    assert module(torch.zeros(1, 3, 32, 32)).shape == (1, 2)
    assert "lenet5-halves" in cards.model_names()


def test_an_unknown_model_gets_near_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "model_roots", lambda: (folder.parent,))
    with pytest.raises(
        UnknownNameError, match=r"a trained model, got 'lenet5-half' \(models/\)\. Did you mean lenet5-ha"
    ):
        load_model("lenet5-half")


def test_a_folder_without_a_card(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"weights.safetensors and card.json, got a folder without a card"):
        load_model(tmp_path)


def test_a_card_without_weights(folder: Path) -> None:
    (folder / "weights.safetensors").unlink()
    with pytest.raises(CheckpointError, match="a safetensors file, got No such file"):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"surprise": 1}, "in surprise"), ({"epochs": "many"}, "in epochs"), ({"recipe": {}}, r"in recipe\.network")],
)
def test_a_card_of_another_form(folder: Path, change: dict[str, Any], sentence: str) -> None:
    path = folder / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CheckpointError, match=rf"a model card, got .* {sentence} \(.*card.json\)"):
        load_model(folder)


def test_weights_of_another_training_are_noticed(folder: Path) -> None:
    safetensors.save_file(lenet5(2).state_dict(), folder / "weights.safetensors")
    with pytest.raises(CheckpointError, match="the weights that the card describes, got a file with another sha256"):
        load_model(folder)


def test_a_card_cannot_be_saved_with_other_weights(folder: Path) -> None:
    _, card = load_model(folder)
    before = (folder / "weights.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match="the weights that the card describes, got others"):
        save_model(folder, lenet5(2), card)
    assert (folder / "weights.safetensors").read_bytes() == before


COMMITTED = Path(__file__).resolve().parents[2] / "models"


@pytest.mark.parametrize(("name", "accuracy"), [("digits", 0.97), ("cifar10", 0.60), ("gtsrb", 0.92)])
def test_the_committed_lenets_are_whole_and_good_enough(name: str, accuracy: float) -> None:
    if not COMMITTED.is_dir():
        pytest.skip("no models beside the tests")
    module, card = load_model(COMMITTED / f"lenet5-{name}")
    assert card.test_accuracy >= accuracy
    assert card.dataset == name
    assert sum(p.numel() for p in module.parameters()) == card.parameters
