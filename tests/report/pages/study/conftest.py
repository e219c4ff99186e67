"""A made-up candidate of a study."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from compress_onnx.report.pages.study.cases import Case, StudyCell

Make = Callable[..., Case]


@pytest.fixture
def case(make_run: Any) -> Make:
    """Make one candidate of a network on a data set that lost so much accuracy and flipped so much."""
    record = make_run(candidates=("one",)).record()
    comparison = record.comparisons[0]

    def make(network: str, dataset: str, *, change: float, flips: float = 0.01, **artifact: Any) -> Case:
        accuracy = dataclasses.replace(
            comparison.accuracy, change=dataclasses.replace(comparison.accuracy.change, value=change)
        )
        rate = dataclasses.replace(comparison.flips.rate, value=flips)
        own = dataclasses.replace(record.artifacts[0], name=f"{network}-{dataset}")
        held = dataclasses.replace(
            record, dataset=dataclasses.replace(record.dataset, name=dataset), artifacts=(own, record.artifacts[1])
        )
        return Case(
            cell=StudyCell(name="cell", record=held),
            comparison=dataclasses.replace(
                comparison, accuracy=accuracy, flips=dataclasses.replace(comparison.flips, rate=rate)
            ),
            artifact=dataclasses.replace(record.artifacts[1], **artifact),
        )

    return make
