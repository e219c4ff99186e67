"""Recipes as text."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
import pytest

from compress_onnx.compare.calibration import calibration_for
from compress_onnx.compress.repair.reference import referenced
from compress_onnx.data.images import ImageSet
from compress_onnx.errors import CompressOnnxError
from compress_onnx.model.census.census import weights
from compress_onnx.model.files import load_model, model_bytes, model_sha256
from compress_onnx.model.metadata import read_embedded
from compress_onnx.model.signature import signature_of
from compress_onnx.steps.quantization import PreparedData, calibration_batches
from compress_onnx.study.cells.recipes import (
    CompressionStep,
    PartialResult,
    RepairImages,
    StepImages,
    after_step,
    before_steps,
    needs_calibration,
    needs_many,
    parse_recipe,
)


def compressed(model: onnx.ModelProto, steps: Iterable[CompressionStep], **how: Any) -> PartialResult:
    return functools.reduce(lambda piece, step: after_step(piece, step, **how), steps, before_steps(model))


HOW = {"cpu": "x86-64-vnni", "method": "minmax", "calibration": None}


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("prune:0.5", (CompressionStep(compressor="prune", options={"sparsity": 0.5, "scope": "global"}),)),
        ("prune-layer:0.25", (CompressionStep(compressor="prune", options={"sparsity": 0.25, "scope": "layer"}),)),
        (
            "prune-folded:0.3",
            (CompressionStep(compressor="prune", options={"sparsity": 0.3, "scope": "global", "basis": "folded"}),),
        ),
        (
            "search:0.01",
            (CompressionStep(compressor="search", options={"max_drop": 0.01, "basis": "unfolded", "repair": "auto"}),),
        ),
        (
            "search-folded:0.02",
            (CompressionStep(compressor="search", options={"max_drop": 0.02, "basis": "folded", "repair": "none"}),),
        ),
        ("w8a8", (CompressionStep(compressor="quantize", options={"weights": "int8", **HOW}),)),
        ("w4a8", (CompressionStep(compressor="quantize", options={"weights": "int4", "repair": "auto", **HOW}),)),
        ("mixed", (CompressionStep(compressor="quantize", options={"weights": "mixed", **HOW}),)),
        ("structured:0.3", (CompressionStep(compressor="prune-structured", options={"fraction": 0.3}),)),
        ("repair", (CompressionStep(compressor="repair", options={"calibration": None}),)),
        (
            "prune:0.5 + w8a8",
            (
                CompressionStep(compressor="prune", options={"sparsity": 0.5, "scope": "global"}),
                CompressionStep(compressor="quantize", options={"weights": "int8", **HOW}),
            ),
        ),
    ],
)
def test_a_recipe_is_steps_in_order(text: str, steps: tuple[CompressionStep, ...]) -> None:
    assert parse_recipe(text, HOW) == steps


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a recipe step, got ''"),
        ("w8a8+", "a recipe step, got ''"),
        ("w8a9", "Did you mean w8a8"),
        ("w8a8:4", "got 'w8a8:4'"),
        ("prune", "as in prune:0.5, got 'prune'"),
        ("search", "as in search:0.01, got 'search'"),
        ("search:1", "a number at least 0.0 and below 1.0 .*got 'search:1'"),
        ("serch", "Did you mean search:D"),
        ("prune:half", "got 'prune:half'"),
        ("prune:1", "below 1.0 .*got 'prune:1'"),
        ("prune:-0.1", "got 'prune:-0.1'"),
        ("prune:nan", "got 'prune:nan'"),
        ("squash", "Known: .*w8a8"),
    ],
)
def test_anything_else_is_refused(text: str, says: str) -> None:
    with pytest.raises(CompressOnnxError, match=says):
        parse_recipe(text, HOW)


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("prune:0.5", False),
        ("structured:0.3", False),
        ("w8a8", True),
        ("prune:0.5+w8a8", True),
        ("prune:0.5+repair", True),
        ("search:0.01", True),
    ],
)
def test_only_quantization_wants_images(text: str, needs: bool) -> None:  # noqa: FBT001  # a table's column
    assert needs_calibration(parse_recipe(text, HOW)) is needs


def test_steps_are_applied_timed_and_chained(make_classifier: Any) -> None:
    baseline = load_model(make_classifier("base", noise=0.3))
    before = model_sha256(baseline)
    ticks = itertools.count()
    made = compressed(
        baseline,
        parse_recipe("prune:0.5+prune-layer:0.75", HOW),
        images=StepImages(),
        clock=lambda: float(next(ticks)),
    )
    assert [(step.options["sparsity"], step.seconds) for step in made.recipe] == [(0.5, 1.0), (0.75, 1.0)]
    assert all(weight.nonzero <= weight.elements * 0.25 + 1 for weight in weights(made.model))
    assert model_sha256(baseline) == before


def test_repair_in_a_recipe_says_which_images_it_saw(make_classifier: Any) -> None:
    base = load_model(make_classifier("base", noise=0.3))
    (channels, height, width) = signature_of(base).image_shape
    images = np.random.default_rng(0).normal(size=(16, channels, height, width)).astype(np.float32)

    def batches() -> list[Any]:
        return [images]

    steps = parse_recipe("prune:0.9+repair", {**HOW, "calibration": "c" * 64})
    repaired = compressed(base, steps, images=StepImages(calibration=batches))
    assert [step.name for step in repaired.recipe][-2:] == ["prune", "repair"]
    assert repaired.recipe[-1].options["calibration"] == "c" * 64
    given = RepairImages(batches=batches, sha256="d" * 64)
    other = compressed(base, steps, images=StepImages(repair=given))
    assert other.recipe[-1].options["calibration"] == "d" * 64
    assert sum(weight.nonzero for weight in weights(repaired.model)) < sum(weight.nonzero for weight in weights(base))


def test_repair_and_search_want_more_images_than_calibration() -> None:
    texts = ("prune:0.5", "w8a8", "prune:0.5+repair", "search:0.01", "search-folded:0.01+w8a8")
    assert [needs_many(parse_recipe(text, HOW)) for text in texts] == [False, False, True, True, True]


def repair_images(base: onnx.ModelProto, images: ImageSet) -> RepairImages:
    """Return 60 of the images, labeled, as a repair or a search of the model is fed."""
    preprocessing = read_embedded(base).preprocessing
    assert preprocessing is not None
    choice = calibration_for(images, 60, seed=0, evaluation=None, roots=())
    return RepairImages(
        batches=functools.partial(calibration_batches, choice, preprocessing),
        sha256=choice.info.sha256,
        prepared=PreparedData(choice=choice, preprocessing=preprocessing),
    )


@pytest.mark.parametrize("text", ["search:0.2", "search-folded:0.2"])
def test_a_searched_model_is_pruned_within_the_limit(text: str, make_classifier: Any, make_images: Any) -> None:
    base = load_model(make_classifier("base", noise=0.3))
    own = repair_images(base, make_images(120))
    made = compressed(base, parse_recipe(text, HOW), images=StepImages(repair=own))
    names = [step.name for step in made.recipe]
    assert names == (["prune", "search"] if "folded" in text else ["prune", "repair", "search"])
    facts = made.recipe[-1].options
    assert facts["loss_searched"] < facts["bound_searched"] <= 0.2
    assert facts["loss_confirmed"] < facts["bound_confirmed"] <= 0.2
    assert made.recipe[0].options["sparsity"] == facts["sparsity"] > 0
    # What the recipe says is what the file says.
    assert [step.name for step in read_embedded(made.model).recipe] == names


@pytest.mark.parametrize("text", ["prune:0.6+repair", "prune:0.6+repair+w8a8"])
def test_a_reference_measured_before_gives_the_same_model(text: str, make_classifier: Any, make_images: Any) -> None:
    base = load_model(make_classifier("base", noise=0.3))
    own = repair_images(base, make_images(120))
    with referenced(base, own.batches) as reference:
        shared = dataclasses.replace(own, reference=reference)
        kinds = [StepImages(calibration=own.batches, repair=images) for images in (own, shared, shared)]
        made = [compressed(base, parse_recipe(text, HOW), images=images, clock=lambda: 0.0).model for images in kinds]
    assert len({model_bytes(model) for model in made}) == 1


def test_a_search_without_labeled_images_is_refused(make_classifier: Any) -> None:
    with pytest.raises(CompressOnnxError, match="labeled images to search on"):
        compressed(load_model(make_classifier("base")), parse_recipe("search:0.01", HOW), images=StepImages())
