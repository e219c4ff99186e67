"""Sub-samples are fair: ends, extremes and the surest stay."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.report.kit.samples import even_indices, even_quantiles, flipped, surest


@given(st.integers(0, 500), st.integers(2, 100))
def test_even_indices_are_distinct_and_hold_both_ends(n: int, limit: int) -> None:
    chosen = even_indices(n, limit)
    assert len(set(chosen.tolist())) == len(chosen) == min(n, limit)
    assert n == 0 or (chosen[0] == 0 and chosen[-1] == n - 1)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=300))
def test_sub_sample_keeps_extremes(values: list[float]) -> None:
    kept = even_quantiles(np.array(values), 20)
    assert (kept[0], kept[-1]) == (min(values), max(values))


def test_surest_rows_are_those_both_models_are_sure_of(run: Any) -> None:
    columns = {name: values[: run.n] for name, values in run.samples().items()}
    changed = flipped(columns)
    kept = surest(columns, changed, 10)
    both = np.minimum(columns["baseline_confidence"], columns["candidate_confidence"])[changed]
    assert sorted(np.minimum(kept["baseline_confidence"], kept["candidate_confidence"])) == sorted(both)[-10:]
    assert len(surest(columns, changed, 10_000)["label"]) == changed.sum()
