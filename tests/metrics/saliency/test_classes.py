from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from compress_onnx.metrics.saliency.classes import ClassSamples, class_saliency, coarse
from compress_onnx.records.saliency import ClassSaliency

NAMES = ("cat", "dog", "owl", "elk", "ant")


def drawn(seed: int, *, shift: float = 0.0) -> ClassSamples:
    rng = np.random.default_rng(seed)
    classes = np.repeat([0, 1, 2, 4], [40, 60, 5, 30])
    differences = rng.standard_t(4, size=(135, 16)).astype(np.float32)
    differences[classes == 1, :6] += shift
    return ClassSamples(classes=classes, deviation=rng.random(135), differences=differences)


def found(samples: ClassSamples) -> tuple[ClassSaliency, ...]:
    return class_saliency(samples, NAMES, np.random.default_rng(0))


def test_each_class_with_samples_is_summarized_over_its_own() -> None:
    samples = drawn(0)
    classes = found(samples)
    assert [(one.class_name, one.n) for one in classes] == [("cat", 40), ("dog", 60), ("owl", 5), ("ant", 30)]
    for one in classes:
        own = samples.deviation[samples.classes == NAMES.index(one.class_name)]
        assert one.mean_absolute_deviation.value == pytest.approx(own.mean())
        assert one.mean_absolute_deviation.n == one.n


def test_a_class_of_few_samples_is_not_tested() -> None:
    owl = found(drawn(0))[2]
    assert (owl.effect, owl.p_value, owl.q_value) == (None, None, None)


def test_p_values_are_adjusted_over_the_tested_classes() -> None:
    tested = [one for one in found(drawn(1)) if one.p_value is not None]
    adjusted = stats.false_discovery_control([one.p_value for one in tested])
    assert [one.q_value for one in tested] == pytest.approx(list(adjusted))


@pytest.mark.slow
def test_the_class_that_moved_is_found_and_no_other() -> None:
    hits, false = 0, 0
    for seed in range(15):
        moved = {one.class_name for one in found(drawn(seed, shift=0.9)) if (one.q_value or 1) < 0.05}
        hits += "dog" in moved
        false += len(moved - {"dog"})
    assert hits >= 14
    assert false <= 3


def test_coarse_maps_are_means_of_blocks() -> None:
    maps = np.random.default_rng(0).random((3, 32, 24))
    np.testing.assert_allclose(coarse(maps)[:, 1], maps[:, :4, 4:8].mean(axis=(1, 2)), rtol=1e-6)
    assert coarse(maps).shape == (3, 48)
