"""Cards: found by name, read without torch, and written as they were read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compress_onnx.errors import CheckpointError, UnknownNameError
from compress_onnx.zoo import cards
from compress_onnx.zoo.cards import CARD, card_text, load_card, model_folder, model_names

COMMITTED = sorted((Path(__file__).resolve().parents[2] / "models").glob(f"*/{CARD}"))


def _model(root: Path, name: str) -> Path:
    (root / name).mkdir(parents=True)
    (root / name / CARD).write_text("{}")
    return root / name


def _holds(written: dict[str, Any], read: dict[str, Any]) -> bool:
    return all(
        _holds(written[key], value) if isinstance(value, dict) else written[key] == value for key, value in read.items()
    )


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.parent.name)
def test_a_committed_card_loses_nothing_when_it_is_written_again(path: Path) -> None:
    # Older cards lack fields that have a default since.
    assert _holds(json.loads(card_text(load_card(path))), json.loads(path.read_text()))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    if not COMMITTED:
        pytest.skip("no models beside the tests")
    card = load_card(COMMITTED[0])
    (tmp_path / CARD).write_text(card_text(card))
    assert load_card(tmp_path / CARD) == card


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("{", "in the whole"), ("[]", "in the whole"), ('{"schema_version": "one"}', "in schema_version")],
)
def test_what_is_no_card_is_refused_with_its_field(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / CARD).write_text(content)
    with pytest.raises(CheckpointError, match=rf"a model card, got .* {sentence} "):
        load_card(tmp_path / CARD)


def test_a_missing_card_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"a model card, got No such file or directory \(.*card.json\)"):
        load_card(tmp_path / CARD)


def test_a_folder_is_taken_before_a_name_and_the_first_root_before_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (_model(tmp_path / root, "lenet5-digits") for root in ("one", "two"))
    monkeypatch.setattr(cards, "model_roots", lambda: (first.parent, second.parent))
    assert model_folder("lenet5-digits") == first
    assert model_folder(second) == second
    assert model_names() == ["lenet5-digits"]


def test_names_are_sorted_and_folders_without_a_card_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b", "a"):
        _model(tmp_path, name)
    (tmp_path / "c").mkdir()
    monkeypatch.setattr(cards, "model_roots", lambda: (tmp_path,))
    assert model_names() == ["a", "b"]
    with pytest.raises(UnknownNameError, match=r"a trained model, got 'c' \(models/\)\..*Known: a, b"):
        model_folder("c")
    with pytest.raises(CheckpointError, match="a folder without a card"):
        model_folder(tmp_path / "c")


def test_names_and_cards_need_no_torch() -> None:
    program = "import sys; from compress_onnx.zoo import load_card, model_names; print('torch' in sys.modules)"
    done: Any = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
