"""Published claims against made-up studies that agree, differ or cannot tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from compress_onnx.records.artifacts import Precision, RecipeStep
from compress_onnx.records.saliency import ShiftVerdict, SystematicShift
from compress_onnx.report.pages.study import claims
from compress_onnx.report.pages.study.cases import Case
from compress_onnx.report.pages.study.claims import Agreement, judged

PRUNED = (RecipeStep(name="prune", options={"basis": "folded"}, seconds=1.0),)


SEARCHED = (*PRUNED, RecipeStep(name="search", options={}, seconds=1.0))


REPAIRED = (*PRUNED, RecipeStep(name="repair", options={}, seconds=1.0))


INT8 = (RecipeStep(name="quantize", options={"weights": "int8", "rounding": "nearest"}, seconds=1.0),)


Make = Callable[..., Case]


def test_without_any_case_nothing_can_be_told() -> None:
    assert {held.published.agreement for held in judged(())} == {Agreement.OPEN}


@pytest.mark.parametrize(
    ("changes", "agreement"), [((-0.002, 0.01), Agreement.AGREES), ((-0.002, -0.02), Agreement.DIFFERS)]
)
def test_accuracy_is_kept_if_no_candidate_loses_a_point(
    case: Make, changes: Sequence[float], agreement: Agreement
) -> None:
    found = [case("lenet5", "gtsrb", change=change) for change in changes]
    ruined = case("lenet5", "gtsrb", change=-0.5, precision=Precision.W4A8)
    assert claims.accuracy_kept([*found, ruined]).agreement == agreement


def test_a_sparsity_set_by_hand_says_nothing_of_accuracy(case: Make) -> None:
    found = [
        case("lenet5", "gtsrb", change=-0.005, recipe=SEARCHED),
        case("lenet5", "gtsrb", change=-0.1, recipe=PRUNED),
    ]
    assert claims.accuracy_kept(found).agreement == Agreement.AGREES
    assert claims.accuracy_kept(found).measured.startswith("1 of 1")


def test_claims_are_held_against_both_ways_apart(case: Make) -> None:
    published = case("lenet5", "gtsrb", change=0.0, flips=0.09, recipe=SEARCHED)
    improved = case("lenet5", "gtsrb", change=0.0, flips=0.01, recipe=REPAIRED)
    either = case("lenet5", "gtsrb", change=0.0, flips=0.02, recipe=INT8)

    def flips(*found: Case) -> tuple[Any, Any]:
        held = next(
            one for one in judged(found) if "7.5 %" in one.published.claim and "predictions" in one.published.claim
        )
        return held.published.measured, held.improved and held.improved.measured

    apart = flips(published, improved, either)
    assert apart[0].startswith("up to 9.00")
    assert apart[1].startswith("up to 2.00")
    assert flips(improved, either) == (apart[1], None)


def test_saliency_moved_in_one_way_or_not(case: Make) -> None:
    found = case("lenet5", "gtsrb", change=0.0)
    shift = found.comparison.saliency
    assert shift is not None

    def moved(verdict: ShiftVerdict) -> Case:
        systematic = SystematicShift(
            verdict=verdict,
            n=400,
            p_value=0.01,
            permutations=999,
            cell_px=1,
            significant_fraction=found.comparison.flips.rate,
            effect=found.comparison.flips.rate,
            explained=found.comparison.flips.rate,
            largest_effect=0.3,
            classes=(),
        )
        saliency = dataclasses.replace(shift, systematic=systematic)
        return dataclasses.replace(found, comparison=dataclasses.replace(found.comparison, saliency=saliency))

    slight = moved(ShiftVerdict.NEGLIGIBLE)
    assert claims.saliency_systematic([slight]).agreement == Agreement.AGREES
    assert claims.saliency_systematic([slight, moved(ShiftVerdict.SYSTEMATIC)]).agreement == Agreement.DIFFERS


def test_four_bits_ruin_half_or_not(case: Make) -> None:
    kept = case("lenet5", "gtsrb", change=-0.01, precision=Precision.W4A8)
    lost = case("lenet5", "cifar10", change=-0.2, precision=Precision.W4A8)
    pruned = case("resnet18", "gtsrb", change=-0.2, precision=Precision.W4A8, recipe=PRUNED)
    assert claims.four_bits_ruin([kept, lost]).agreement == Agreement.AGREES
    assert claims.four_bits_ruin([kept, pruned]).agreement == Agreement.DIFFERS


def test_data_sets_differ_if_one_flips_more_throughout(case: Make) -> None:
    def pair(network: str, first: float, second: float) -> list[Case]:
        return [case(network, "cifar10", change=0, flips=first), case(network, "gtsrb", change=0, flips=second)]

    alike = [*pair("a", 0.02, 0.03), *pair("b", 0.03, 0.02), *pair("c", 0.02, 0.021)]
    apart = [*pair("a", 0.05, 0.01), *pair("b", 0.06, 0.02), *pair("c", 0.052, 0.01)]
    assert claims.datasets_alike(alike).agreement == Agreement.AGREES
    assert claims.datasets_alike(apart).agreement == Agreement.DIFFERS
    assert claims.datasets_alike(alike[:2]).agreement == Agreement.OPEN


def test_order_of_the_networks(case: Make) -> None:
    rates = {"resnet18": 0.01, "lenet5": 0.02, "squeezenet": 0.03}
    found = [case(network, "gtsrb", change=0, flips=rate) for network, rate in rates.items()]
    assert claims.order_of_networks(found).agreement == Agreement.AGREES
    turned = [case(network, "gtsrb", change=0, flips=1 - rate) for network, rate in rates.items()]
    assert claims.order_of_networks(turned).agreement == Agreement.DIFFERS
    assert claims.order_of_networks(found[:2]).agreement == Agreement.OPEN


def test_sparsity_counts_only_within_a_point(case: Make) -> None:
    dense = case("lenet5", "gtsrb", change=-0.001, sparsity=0.75, recipe=PRUNED)
    ruined = case("lenet5", "gtsrb", change=-0.1, sparsity=0.95, recipe=PRUNED)
    quantized = case("lenet5", "gtsrb", change=0.0, sparsity=0.9, recipe=())
    finding = claims.sparsity_reached([dense, ruined, quantized])
    assert finding.measured.startswith("75.0")
    assert finding.agreement == Agreement.AGREES


def test_most_flips_are_those_of_kept_candidates(case: Make) -> None:
    found = [case("a", "gtsrb", change=0.0, flips=0.04), case("b", "gtsrb", change=-0.2, flips=0.5)]
    assert claims.most_flips(found).agreement == Agreement.AGREES
    assert claims.most_flips([case("a", "gtsrb", change=0.0, flips=0.09)]).agreement == Agreement.DIFFERS
