"""The probe saves time where it can, and never has a say in an answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from compress_onnx.ort.batches import BATCHES, USUAL, batch_for, chosen_batch, filled, fixed_chunks, spans, usual_batch

IMAGES = np.random.default_rng(0).normal(size=(32, 3, 8, 8)).astype(np.float32)


class Machine:
    """Answers sums, and tells a time that passes by ``seconds`` of a batch size."""

    def __init__(self, seconds: dict[int, float], odd: tuple[int, ...] = ()) -> None:
        self.seconds, self.odd = seconds, odd
        self.now, self.calls = 0.0, 0

    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        size = len(images)
        self.calls += 1
        self.now += self.seconds[size]
        answers = images.reshape(size, -1).sum(axis=1, keepdims=True)
        return np.nextafter(answers, np.float32(np.inf)) if size in self.odd else answers

    def clock(self) -> float:
        return self.now


@pytest.mark.parametrize("fastest", BATCHES)
def test_the_fastest_is_taken(fastest: int) -> None:
    machine = Machine({size: size * (0.001 if size == fastest else 0.002) for size in BATCHES})
    assert chosen_batch(machine.run, IMAGES, clock=machine.clock) == fastest


def test_a_hair_is_no_reason_to_leave_the_usual_batch() -> None:
    machine = Machine({size: size * (0.001 if size == USUAL else 0.00098) for size in BATCHES})
    assert chosen_batch(machine.run, IMAGES, clock=machine.clock) == USUAL


def test_other_bits_are_never_taken_however_fast() -> None:
    fast = {size: size * (0.002 if size == USUAL else 0.0001) for size in BATCHES}
    machine = Machine(fast, odd=tuple(size for size in BATCHES if size != USUAL))
    assert chosen_batch(machine.run, IMAGES, clock=machine.clock) == USUAL


def test_a_slow_model_is_not_probed_further() -> None:
    machine = Machine(dict.fromkeys(BATCHES, 1.0))
    assert chosen_batch(machine.run, IMAGES, clock=machine.clock) == USUAL
    assert machine.calls == 3


def test_few_images_are_not_probed() -> None:
    machine = Machine({1: 0.0})
    assert batch_for(machine.run, lambda start, stop: IMAGES[start:stop], 31, probed_from=32) == USUAL
    assert machine.calls == 0
    assert batch_for(machine.run, lambda start, stop: IMAGES[start:stop], 0, probed_from=32) == 1


def test_large_pictures_go_in_small_batches() -> None:
    sizes = [usual_batch(3 * side * side * 4) for side in (32, 224, 640, 4000)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == USUAL
    assert sizes[-1] == 1


@given(n=st.integers(0, 200), batch=st.integers(1, 40))
def test_spans_cover_every_image_once_and_leave_none_alone(n: int, batch: int) -> None:
    calls = spans(n, batch)
    assert [row for start, stop in calls for row in range(start, stop)] == list(range(n))
    assert all(0 < stop - start <= batch + 1 for start, stop in calls)
    if batch > 1 and n > 1:
        assert all(stop - start > 1 for start, stop in calls)


@given(n=st.integers(0, 20), size=st.integers(1, 9))
def test_fixed_chunks_hold_all_rows_in_order_and_fill_up_with_rows_of_the_last(n: int, size: int) -> None:
    rows = np.arange(1, n + 1, dtype=np.float32)[:, None]
    chunks = list(fixed_chunks(rows, size))
    assert all(chunk.shape == (size, 1) for chunk in chunks)
    joined = np.concatenate([*chunks, np.empty((0, 1), np.float32)])
    np.testing.assert_array_equal(joined[:n], rows)
    assert set(joined[n:, 0]) <= set(rows[(len(chunks) - 1) * size :, 0])


@given(n=st.integers(1, 9), size=st.integers(1, 20))
def test_rows_are_filled_up_as_numpy_resizes(n: int, size: int) -> None:
    rows = np.arange(2 * n).reshape(n, 2)
    np.testing.assert_array_equal(filled(rows, size), np.resize(rows, (size, 2)))
