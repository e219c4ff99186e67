from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

torch = pytest.importorskip("torch")

from compress_onnx.errors import DataError, ModelError  # noqa: E402  # after the skip
from compress_onnx.saliency.fidelity import (  # noqa: E402
    ACCEPTED_AGREEMENT,
    UNTESTED,
    agreement,
    faithful_twin,
    fidelity,
    twin_logits,
)
from compress_onnx.saliency.twin import build_twin  # noqa: E402


def pairs(images: Any) -> Any:
    """Rows and batches of 16, whatever the twin."""
    return lambda _: (
        (slice(start, min(start + 16, len(images))), images[start : start + 16]) for start in range(0, len(images), 16)
    )


def test_fidelity_batch_by_batch_is_fidelity_at_once(small: Any, runtime: Any) -> None:
    logits = runtime(small.model, small.images)
    logits[[3, 39]] = np.roll(logits[[3, 39]], 1, axis=1)
    checked = faithful_twin(small.model, pairs(small.images), logits)
    whole = fidelity(build_twin(small.model), small.images, logits)
    assert (checked.fidelity.n, checked.fidelity.accepted) == (40, whole.accepted)
    assert checked.fidelity.top1_agreement == pytest.approx(whole.top1_agreement)
    assert checked.fidelity.max_abs_logit_diff == pytest.approx(whole.max_abs_logit_diff, rel=1e-4)


def test_a_faithful_twin_is_accepted_with_its_figures(small: Any, runtime: Any) -> None:
    expected = runtime(small.model, small.images)
    found = fidelity(build_twin(small.model), small.images, expected)
    assert (found.n, found.top1_agreement, found.accepted) == (40, 1.0, True)
    assert 0 <= found.max_abs_logit_diff < 1e-4


def test_the_figures_are_those_of_a_plain_count() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.standard_normal((2, 50, 4)).astype(np.float32)
    found = agreement(ours, theirs)
    same = [list(a).index(max(a)) == list(b).index(max(b)) for a, b in zip(ours, theirs, strict=True)]
    assert found.top1_agreement == sum(same) / 50
    assert found.max_abs_logit_diff == max(abs(a - b) for a, b in zip(ours.flat, theirs.flat, strict=True))


@pytest.mark.parametrize(("wrong", "accepted"), [(0, True), (1, True), (2, False)])
def test_one_prediction_in_two_hundred_may_differ_and_no_more(wrong: int, *, accepted: bool) -> None:
    assert ACCEPTED_AGREEMENT == 0.995
    logits = np.tile(np.array([[1, 0]], np.float32), (200, 1))
    other = logits.copy()
    other[:wrong] = [0, 1]
    assert agreement(logits, other).accepted is accepted


def test_a_last_batch_that_is_not_full_counts_too(small: Any, runtime: Any) -> None:
    images = np.concatenate([small.images, small.images])[:70]
    told: list[float] = []
    got = twin_logits(build_twin(small.model), images, progress=lambda fraction, _: told.append(fraction))
    np.testing.assert_allclose(got, runtime(small.model, images), atol=1e-4)
    assert told == [32 / 70, 64 / 70, 1.0]


def test_a_file_of_fixed_batch_is_fed_whole_batches_only(small: Any, runtime: Any) -> None:
    fixed = onnx.ModelProto()
    fixed.CopyFrom(small.model)
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 16
    twin = build_twin(fixed)
    sizes: list[int] = []
    twin.get_submodule("_0_Conv").register_forward_hook(lambda _, given, __: sizes.append(len(given[0])))
    np.testing.assert_allclose(twin_logits(twin, small.images), runtime(small.model, small.images), atol=1e-4)
    assert sizes == [16, 16, 16]


def test_no_samples_prove_nothing(small: Any) -> None:
    nothing = np.zeros((0, 3, 12, 12), np.float32)
    assert fidelity(build_twin(small.model), nothing, np.zeros((0, 5), np.float32)) == UNTESTED
    assert not UNTESTED.accepted


def test_logits_of_other_shape_are_refused(small: Any) -> None:
    with pytest.raises(DataError, match=r"logits of one shape.*\(40, 5\) and \(39, 5\)"):
        fidelity(build_twin(small.model), small.images, np.zeros((39, 5), np.float32))


@pytest.mark.parametrize(("side", "who"), [(0, "PyTorch twin"), (1, "ONNX Runtime")])
def test_nan_never_reaches_the_record(side: int, who: str) -> None:
    logits = [np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32)]
    logits[side][1, 1] = np.nan
    with pytest.raises(ModelError, match=f"NaN or infinity from .*{who}"):
        agreement(*logits)


def test_a_twin_that_disagrees_is_handed_out_as_a_reason(small: Any, runtime: Any) -> None:
    other = onnx.ModelProto()
    other.CopyFrom(small.model)
    head = next(tensor for tensor in other.graph.initializer if tensor.name == "7.weight")
    head.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(head), head.name))
    checked = faithful_twin(other, pairs(small.images), runtime(small.model, small.images))
    assert checked.twin is None
    assert checked.fidelity.n == 40
    assert "99.5% are needed" in str(checked.reason)


def test_a_model_without_twin_is_handed_out_as_a_reason(small: Any) -> None:
    other = onnx.ModelProto()
    other.CopyFrom(small.model)
    other.graph.node[1].op_type = "NonMaxSuppression"
    checked = faithful_twin(other, pairs(small.images), np.zeros((40, 5), np.float32))
    assert (checked.twin, checked.fidelity) == (None, UNTESTED)
    assert "got NonMaxSuppression (node '/1/Relu')" in str(checked.reason)
