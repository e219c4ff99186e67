"""Small multiples share one scale that holds everything they draw."""

from __future__ import annotations

import dataclasses
from typing import Any

from compress_onnx.report.pages.study.cases import StudyCell, cases
from compress_onnx.report.pages.study.charts import MULTIPLES, scale_of, small_chart


def test_the_scale_holds_every_value_interval_and_the_line_of_no_change(make_run: Any) -> None:
    candidates = cases([StudyCell(name="a", record=make_run(seed=seed).record()) for seed in (0, 1)])
    for multiple in MULTIPLES:
        low, high = scale_of(multiple, candidates)
        ends = [multiple.zero * multiple.scale]
        for case in candidates:
            measure = multiple.read(case)
            ends += [multiple.scale * end for end in (measure.value, *_interval(measure))]
        assert low < min(ends) <= max(ends) < high
        chart = small_chart(multiple, "t", candidates, (low, high))
        assert chart.figure["layout"]["xaxis"]["range"] == [low, high]
        assert len(chart.figure["data"][0]["x"]) == len(candidates)


def _interval(measure: Any) -> tuple[float, ...]:
    return (measure.interval.low, measure.interval.high) if measure.interval else ()


def test_names_tell_seeds_apart_only_where_they_differ(make_run: Any) -> None:
    cells = [
        StudyCell(name=str(seed), record=make_run(candidates=("w8a8",)).record(config={"seed": seed}))
        for seed in (0, 1)
    ]
    both, one = cases(cells), cases(cells[:1])
    ticks = [
        small_chart(MULTIPLES[0], "t", some, (-1, 1)).figure["layout"]["yaxis"]["ticktext"] for some in (both, one)
    ]
    assert [text.strip("\u2068\u2069") for text in ticks[0]] == ["w8a8, seed 0", "w8a8, seed 1"]
    assert [text.strip("\u2068\u2069") for text in ticks[1]] == ["w8a8"]


def test_what_was_never_measured_has_no_scale(make_run: Any) -> None:
    record = make_run().record()
    bare = tuple(dataclasses.replace(comparison, latency=None) for comparison in record.comparisons)
    candidates = cases([StudyCell(name="a", record=dataclasses.replace(record, comparisons=bare))])
    speed = next(multiple for multiple in MULTIPLES if multiple.key == "speed")
    assert scale_of(speed, candidates) is None
