"""Paired counts: the four cells of a table, counted one sample at a time."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.metrics.statistics.paired import PairedCounts, paired_counts

OUTCOMES = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60)


@given(OUTCOMES)
def test_cells_are_those_of_a_loop(outcomes: list[tuple[bool, bool]]) -> None:
    baseline, candidate = (np.array([pair[side] for pair in outcomes], dtype=bool) for side in (0, 1))
    cells = [(True, True), (True, False), (False, True), (False, False)]
    assert paired_counts(baseline, candidate) == PairedCounts(*(outcomes.count(cell) for cell in cells))


@given(OUTCOMES.filter(bool))
def test_what_is_derived_agrees_with_the_samples(outcomes: list[tuple[bool, bool]]) -> None:
    baseline, candidate = (np.array([pair[side] for pair in outcomes]) for side in (0, 1))
    counts = paired_counts(baseline, candidate)
    assert (counts.n, counts.baseline, counts.candidate) == (len(outcomes), baseline.sum(), candidate.sum())
    assert counts.discordant == (baseline != candidate).sum()
    assert counts.change == (int(candidate.sum()) - int(baseline.sum())) / len(outcomes)
