"""What is made of a model says so: its parent's facts, its parent's hash, one more step."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from compress_onnx.files import sha256_of_file
from compress_onnx.model.files import model_bytes, save_model
from compress_onnx.model.lineage import descended, made_from
from compress_onnx.model.metadata import Embedded, read_embedded, write_embedded
from compress_onnx.records.artifacts import Preprocessing, RecipeStep

FORM = Preprocessing(height=8, width=8, mean=(0.5,) * 3, std=(0.25,) * 3)
NAMES = ("a", "b", "c", "d", "e")


@pytest.fixture
def parent(convnet: onnx.ModelProto) -> onnx.ModelProto:
    facts = Embedded(preprocessing=FORM, class_names=NAMES, recipe=(RecipeStep(name="export", options={}, seconds=0),))
    return write_embedded(convnet, facts)


def changed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy with another activation and without metadata."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.node[2].op_type = "Sigmoid"
    del copy.metadata_props[:]
    return copy


def test_a_descendant_has_its_parents_facts_and_one_more_step(parent: onnx.ModelProto, tmp_path: Path) -> None:
    child = descended(changed(parent), parent, "prune", {"sparsity": 0.5, "exclude": ["fc"]})
    facts = read_embedded(child)
    assert (facts.preprocessing, facts.class_names) == (FORM, NAMES)
    assert [(step.name, step.options) for step in facts.recipe] == [
        ("export", {}),
        ("prune", {"sparsity": 0.5, "exclude": ["fc"]}),
    ]
    save_model(parent, tmp_path / "parent.onnx")
    assert facts.parent_sha256 == sha256_of_file(tmp_path / "parent.onnx")


def test_each_generation_names_the_one_before(parent: onnx.ModelProto, tmp_path: Path) -> None:
    child = descended(parent, parent, "prune", {})
    grandchild = descended(child, child, "quantize", {})
    save_model(child, tmp_path / "child.onnx")
    facts = read_embedded(grandchild)
    assert facts.parent_sha256 == sha256_of_file(tmp_path / "child.onnx")
    assert [step.name for step in facts.recipe] == ["export", "prune", "quantize"]


def test_a_foreign_parent_has_descendants_too(convnet: onnx.ModelProto) -> None:
    facts = read_embedded(descended(changed(convnet), convnet, "prune", {}))
    assert (facts.preprocessing, facts.class_names, len(facts.recipe)) == (None, (), 1)


def test_no_graph_that_is_given_is_written_to(parent: onnx.ModelProto) -> None:
    model = changed(parent)
    before = [model_bytes(model), model_bytes(parent)]
    child = descended(model, parent, "prune", {})
    made_from(child, "0" * 64)
    assert [model_bytes(model), model_bytes(parent)] == before
    assert child.graph == model.graph


def test_the_file_that_it_was_made_from_takes_the_parents_place(parent: onnx.ModelProto) -> None:
    child = descended(parent, parent, "prune", {})
    named = made_from(child, "f" * 64)
    assert read_embedded(named).parent_sha256 == "f" * 64
    assert read_embedded(named).recipe == read_embedded(child).recipe
    assert made_from(named, str(read_embedded(child).parent_sha256)) == child
