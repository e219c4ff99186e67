"""The tables of latency."""

from __future__ import annotations

import dataclasses
from typing import Any

from compress_onnx.report.sections.latency.tables import in_turns, timed_pairs


def test_a_shared_baseline_is_told_once_and_others_each(run: Any) -> None:
    timed = timed_pairs(run.record())
    names = [name for name, _ in timed]
    apart = list(in_turns(timed, "resnet18"))
    assert [name for name, _, own in apart if own] == names
    assert len(apart) == 2 * len(names)
    shared = [(name, dataclasses.replace(found, baseline=timed[0][1].baseline)) for name, found in timed]
    assert [name for name, _, _ in in_turns(shared, "resnet18")] == ["resnet18", *names]
