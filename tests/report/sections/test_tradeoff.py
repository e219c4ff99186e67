"""The front is what nobody dominates."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.report.sections.tradeoff import Point, pareto


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=12))
def test_pareto_front_is_what_nobody_dominates(pairs: list[tuple[int, int]]) -> None:
    points = [Point(name=str(i), x=x, y=y) for i, (x, y) in enumerate(pairs)]
    beaten = {(p.x, p.y) for p in points for q in points if q.x <= p.x and q.y >= p.y and (q.x, q.y) != (p.x, p.y)}
    assert {(p.x, p.y) for p in pareto(points)} == {(p.x, p.y) for p in points} - beaten
