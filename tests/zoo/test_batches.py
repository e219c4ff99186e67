from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

from compress_onnx.data.preprocess import preprocess  # noqa: E402  # only where torch is
from compress_onnx.records.artifacts import Preprocessing  # noqa: E402
from compress_onnx.zoo.batches import channel_statistics, epoch_generator, normalized, training_batches, varied  # noqa: E402
from compress_onnx.zoo.recipe import TrainingRecipe  # noqa: E402

PIXELS = torch.from_numpy(np.random.default_rng(0).integers(0, 256, size=(9, 3, 8, 8), dtype=np.uint8))


@pytest.fixture
def plain(recipe: TrainingRecipe) -> TrainingRecipe:
    return dataclasses.replace(recipe, crop_padding=0, flip=False, light=0.0)


def varied_with(recipe: TrainingRecipe, seed: int = 0, **changes: Any) -> Any:
    return varied(PIXELS, dataclasses.replace(recipe, **changes), rng=np.random.default_rng(seed))


def test_an_epoch_shows_each_picture_at_most_once_and_drops_the_rest(plain: TrainingRecipe) -> None:
    recipe = dataclasses.replace(plain, batch=4)
    batches = list(training_batches(PIXELS, torch.arange(9), recipe, rng=np.random.default_rng(1)))
    assert [len(labels) for _, labels in batches] == [4, 4]
    rows = torch.cat([labels for _, labels in batches])
    assert len(set(rows.tolist())) == 8
    assert torch.equal(torch.cat([pictures for pictures, _ in batches]), PIXELS[rows])


def test_a_set_smaller_than_a_batch_is_one_batch(plain: TrainingRecipe) -> None:
    batches = list(training_batches(PIXELS, torch.arange(9), plain, rng=np.random.default_rng(1)))
    assert [len(labels) for _, labels in batches] == [9]


def test_crops_are_windows_of_the_reflected_picture(plain: TrainingRecipe) -> None:
    padded = np.pad(PIXELS.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect")
    offsets = set()
    for picture, frame in zip(varied_with(plain, crop_padding=2).numpy(), padded, strict=True):
        places = [(d, r) for d in range(5) for r in range(5) if (frame[:, d : d + 8, r : r + 8] == picture).all()]
        assert places
        offsets.add(places[0])
    assert len(offsets) > 3


def test_flips_mirror_some_pictures_left_to_right(plain: TrainingRecipe) -> None:
    flipped = varied_with(plain, flip=True)
    same = [torch.equal(a, b) for a, b in zip(flipped, PIXELS, strict=True)]
    mirrored = [torch.equal(a, b.flip(2)) for a, b in zip(flipped, PIXELS, strict=True)]
    assert all(a != b for a, b in zip(same, mirrored, strict=True))
    assert 0 < sum(mirrored) < 9


def test_light_changes_gray_pictures_by_at_most_its_fraction(plain: TrainingRecipe) -> None:
    gray = torch.full((200, 3, 4, 4), 100, dtype=torch.uint8)
    lit = varied(gray, dataclasses.replace(plain, light=0.2), rng=np.random.default_rng(0))
    assert lit.dtype == torch.uint8
    assert (int(lit.min()), int(lit.max())) == pytest.approx((80, 120), abs=2)


def test_nothing_asked_nothing_changed(plain: TrainingRecipe) -> None:
    assert torch.equal(varied_with(plain), PIXELS)


def test_normalization_is_the_one_of_deployment() -> None:
    preprocessing = Preprocessing(height=8, width=8, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    deployed = preprocess(PIXELS.permute(0, 2, 3, 1).numpy(), preprocessing)
    np.testing.assert_allclose(normalized(PIXELS, preprocessing).numpy(), deployed, atol=1e-6)


def test_channel_statistics_are_numpys() -> None:
    mean, std = channel_statistics(PIXELS)
    scaled = PIXELS.numpy() / 255
    np.testing.assert_allclose(mean, scaled.mean((0, 2, 3)), atol=1e-4)
    np.testing.assert_allclose(std, scaled.std((0, 2, 3)), atol=1e-4)
    assert channel_statistics(torch.zeros(1, 1, 2, 2, dtype=torch.uint8)) == ((0.0,), (1.0,))


def test_every_epoch_and_seed_has_its_own_order() -> None:
    orders = {tuple(epoch_generator(seed, epoch).permutation(20).tolist()) for seed in (0, 1) for epoch in (0, 1, 2)}
    assert len(orders) == 6
    assert epoch_generator(1, 2).random() == epoch_generator(1, 2).random()
