from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

from compress_onnx.errors import CheckpointError, DataError, OutputError  # noqa: E402  # only where torch is
from compress_onnx.zoo import training  # noqa: E402
from compress_onnx.zoo.checkpoints import load_model  # noqa: E402
from compress_onnx.zoo.recipe import TrainingRecipe  # noqa: E402
from compress_onnx.zoo.training import TrainingJob, adopt, resume, train  # noqa: E402

Jobs = Callable[..., TrainingJob]


class Interrupted(Exception):  # noqa: N818  # not an error: somebody pressed a key
    """What stops a training in the middle of an epoch."""


def interrupt_in_epoch(number: int) -> Callable[[float, str], None]:
    def progress(fraction: float, text: str) -> None:
        if text.startswith(f"epoch {number}/"):
            raise Interrupted

    return progress


def test_it_learns_and_the_card_says_how_well(make_job: Jobs) -> None:
    trained = train(make_job())
    assert trained.card.test_accuracy == 1.0
    module, card = load_model(trained.folder)
    assert card == trained.card
    assert (card.network, card.dataset, card.class_names) == ("lenet5", "halves", ("left", "right"))
    assert (card.train_n, card.test_n, card.epochs, card.seed) == (70, 30, 3, 0)
    assert card.parameters == sum(p.numel() for p in module.parameters())
    assert card.versions["torch"] == torch.__version__.split("+")[0]
    # A recipe without statistics means those of the training pictures, and the card keeps them.
    assert len(card.preprocessing.mean) == 3
    assert 0.2 < card.preprocessing.mean[0] < 0.6


def test_given_weights_become_the_model_that_training_would_have_left(make_job: Jobs) -> None:
    trained = train(make_job("trained"))
    given = adopt(make_job("given"), trained.folder / "weights.safetensors")
    assert (trained.card.origin, given.card.origin) == ("trained", "given")
    assert dataclasses.replace(given.card, origin="trained") == trained.card
    assert load_model(given.folder)[1] == given.card
    assert [path.name for path in sorted(given.folder.iterdir())] == ["card.json", "weights.safetensors"]


def test_given_weights_are_tested_as_they_are_stored(make_job: Jobs) -> None:
    trained = train(make_job("trained"))
    given = adopt(make_job("given", stored="float16"), trained.folder / "weights.safetensors")
    tested = {name: tensor for name, tensor in given.module.state_dict().items() if tensor.is_floating_point()}
    assert all(torch.equal(tensor, tensor.half().float()) for tensor in tested.values())
    assert any(not torch.equal(tensor, trained.module.state_dict()[name]) for name, tensor in tested.items())
    read_back = load_model(given.folder)[0].state_dict()
    assert all(torch.equal(tensor, read_back[name]) for name, tensor in tested.items())


def test_given_weights_of_another_network_leave_nothing(make_job: Jobs) -> None:
    other = train(make_job("other", network="squeezenet", epochs=1)).folder / "weights.safetensors"
    job = make_job("given")
    with pytest.raises(CheckpointError, match=r"Expected a tensor .*, got none"):
        adopt(job, other)
    assert not job.folder.exists()


def test_training_twice_writes_equal_files(make_job: Jobs) -> None:
    folders = [train(make_job(name)).folder for name in ("a", "b")]
    for name in ("card.json", "weights.safetensors", "checkpoints/epoch-002.safetensors"):
        first, second = ((folder / name).read_bytes() for folder in folders)
        assert first == second, name


def test_another_seed_gives_other_weights(make_job: Jobs) -> None:
    assert train(make_job("a")).card.weights_sha256 != train(make_job("b", seed=1)).card.weights_sha256


@pytest.mark.parametrize("batch", [16, 23, 35, 70, 1_000])
def test_a_training_of_one_to_four_steps_ends(make_job: Jobs, batch: int) -> None:
    assert train(make_job(epochs=1, batch=batch)).card.epochs == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sgd"},
        {"optimizer": "adamw", "peak_rate": 0.003, "clip_norm": 1.0},
        {"batch_norm": True, "channels_last": True, "stored": "float16"},
        # SqueezeNet draws its dropout masks from torch's own generator; at a large rate its last
        # ReLU dies, and no mask would matter any more.
        pytest.param(
            {"network": "squeezenet", "batch": 32, "peak_rate": 1e-3, "bfloat16": True}, marks=pytest.mark.slow
        ),
        pytest.param({"network": "resnet18", "batch": 32, "bfloat16": True}, marks=pytest.mark.slow),
    ],
)
def test_a_resumed_training_equals_an_uninterrupted_one(make_job: Jobs, changes: dict[str, Any]) -> None:
    whole = train(make_job("whole", **changes)).card
    with pytest.raises(Interrupted):
        train(make_job("cut", **changes), progress=interrupt_in_epoch(3))
    assert not (make_job("cut").folder / "card.json").exists(), "an unfinished model has no card"
    assert resume(make_job("cut", **changes)).card == whole


def test_a_finished_training_resumes_to_itself(make_job: Jobs) -> None:
    assert train(make_job()).card == resume(make_job()).card


def test_the_last_two_epochs_leave_a_checkpoint_and_a_new_training_starts_over(make_job: Jobs) -> None:
    folder = train(make_job()).folder / "checkpoints"
    assert sorted(p.name for p in folder.iterdir()) == [f"epoch-00{i}.safetensors" for i in (2, 3)]
    with pytest.raises(Interrupted):
        train(make_job(), progress=interrupt_in_epoch(2))
    assert [p.name for p in folder.iterdir()] == ["epoch-001.safetensors"]


def test_progress_rises_to_one_and_tells_loss_and_accuracy(make_job: Jobs) -> None:
    told: list[tuple[float, str]] = []
    train(make_job(), progress=lambda fraction, text: told.append((fraction, text)))
    fractions = [fraction for fraction, _ in told]
    assert all(a <= b for a, b in itertools.pairwise(fractions))
    assert fractions[-1] == 1.0
    assert "epoch 3/3 loss 0." in told[-2][1]
    assert "accuracy" in told[-2][1]


def test_the_callers_random_state_is_left_alone(make_job: Jobs) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    train(make_job(epochs=1))
    assert torch.equal(torch.rand(1), expected)


def test_resume_without_or_with_a_foreign_checkpoint(make_job: Jobs) -> None:
    with pytest.raises(CheckpointError, match=r"a checkpoint to resume from, got none .*without --resume first"):
        resume(make_job())
    train(make_job())
    with pytest.raises(CheckpointError, match="a checkpoint of this recipe and data, got one of another training"):
        resume(make_job(batch=8))
    other = dataclasses.replace(make_job().train_set.info, sha256="f" * 64)
    job = make_job()
    object.__setattr__(job.train_set, "info", other)
    with pytest.raises(CheckpointError, match="one of another training"):
        resume(job)


def test_resume_from_a_truncated_checkpoint(make_job: Jobs) -> None:
    path = train(make_job()).folder / "checkpoints" / "epoch-003.safetensors"
    path.write_bytes(path.read_bytes()[:1_000])
    with pytest.raises(
        CheckpointError, match=r"a whole checkpoint of a training.*epoch-003.*resume from the one before"
    ):
        resume(make_job())


@pytest.mark.parametrize(("labels", "sentence"), [(None, "got no labels"), ([], "got no images")])
def test_data_without_labels_or_images(make_job: Jobs, labels: list[int] | None, sentence: str) -> None:
    job = make_job()
    job.train_set.labels = labels  # type: ignore[misc]  # the test's own set may change
    if labels is not None:
        job.train_set.images = job.train_set.images[:0]  # type: ignore[attr-defined]  # the test's own set
    with pytest.raises(DataError, match=f"labeled images to train and test on, {sentence} .halves:train"):
        train(job)


def test_a_folder_that_cannot_be_written(make_job: Jobs, tmp_path: Path) -> None:
    (tmp_path / "model").write_text("a file")
    with pytest.raises(OutputError, match="a place that can be written"):
        train(make_job())


def test_the_recipes_bfloat16_stays_out_of_the_file(make_job: Jobs) -> None:
    module, card = load_model(train(make_job(bfloat16=True, epochs=1)).folder)
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    assert json.dumps(dataclasses.asdict(card))


def test_accuracy_is_counted_over_all_batches(
    make_job: Jobs, recipe: TrainingRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = train(make_job(epochs=1, peak_rate=1e-6))
    whole = training.measured_accuracy(trained.module, make_job().test_set, trained.card.preprocessing)
    monkeypatch.setattr(training, "_TEST_BATCH", 7)
    assert training.measured_accuracy(trained.module, make_job().test_set, trained.card.preprocessing) == whole
    assert whole * 30 == pytest.approx(round(whole * 30))
