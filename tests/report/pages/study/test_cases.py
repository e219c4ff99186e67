"""A case's network and the way it was made."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from compress_onnx.records.artifacts import RecipeStep
from compress_onnx.report.pages.study.cases import Case, Way

PRUNED = (RecipeStep(name="prune", options={"basis": "folded"}, seconds=1.0),)


SEARCHED = (*PRUNED, RecipeStep(name="search", options={}, seconds=1.0))


REPAIRED = (*PRUNED, RecipeStep(name="repair", options={}, seconds=1.0))


INT8 = (RecipeStep(name="quantize", options={"weights": "int8", "rounding": "nearest"}, seconds=1.0),)


NEAREST, GPTQ = (
    (RecipeStep(name="quantize", options={"weights": "int4", "rounding": rounding}, seconds=1.0),)
    for rounding in ("nearest", "gptq")
)


Make = Callable[..., Case]


def test_network_is_the_baseline_without_its_data(case: Make) -> None:
    assert case("lenet5", "gtsrb", change=0.0).cell.network == "lenet5"


@pytest.mark.parametrize(
    ("recipe", "way"),
    [
        (PRUNED, Way.PUBLISHED),
        (SEARCHED, Way.PUBLISHED),
        (REPAIRED, Way.IMPROVED),
        ((RecipeStep(name="prune", options={"basis": "unfolded"}, seconds=1.0),), Way.IMPROVED),
        (INT8, Way.EITHER),
        (NEAREST, Way.PUBLISHED),
        (GPTQ, Way.IMPROVED),
        ((*REPAIRED, *NEAREST), Way.IMPROVED),
        ((), Way.EITHER),
    ],
)
def test_the_recipe_tells_published_ways_from_improved_ones(
    case: Make, recipe: tuple[RecipeStep, ...], way: Way
) -> None:
    assert case("lenet5", "gtsrb", change=0.0, recipe=recipe).way is way
