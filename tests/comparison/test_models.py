"""Which models may stand against each other on which images."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from compress_onnx.comparison.models import evaluated_models, named_models
from compress_onnx.errors import DataError, ModelError
from compress_onnx.model.metadata import Embedded
from compress_onnx.records.artifacts import Preprocessing

PREPROCESSING = Preprocessing(height=6, width=6, mean=(0.5,) * 3, std=(0.5,) * 3)
OTHER = dataclasses.replace(PREPROCESSING, mean=(0.0,) * 3)


def test_names_are_stems_and_never_equal() -> None:
    paths = [Path(text) for text in ("a/m.onnx", "b/m.onnx", "c/m-2.onnx", "d/m.onnx")]
    names = [entry.name for entry in named_models(paths)]
    assert names[:2] == ["m", "m-2"]
    assert len(set(names)) == 4


def test_a_model_brings_its_own_preprocessing(make_classifier: Any, make_images: Any, tmp_path: Path) -> None:
    paths = [make_classifier("base"), make_classifier("other", embedded=Embedded(preprocessing=OTHER))]
    found = evaluated_models(named_models(paths), make_images(), fallback=None, folder=tmp_path)
    assert [party.preprocessing for party in found] == [PREPROCESSING, OTHER]
    assert [party.artifact.path for party in found] == ["base.onnx", "other.onnx"]


def test_a_foreign_candidate_is_fed_like_the_baseline(make_classifier: Any, make_images: Any, tmp_path: Path) -> None:
    paths = [make_classifier("base"), make_classifier("foreign", embedded=Embedded())]
    found = evaluated_models(named_models(paths), make_images(), fallback=None, folder=tmp_path)
    assert found[1].preprocessing == PREPROCESSING


def test_a_foreign_baseline_is_fed_as_told(make_classifier: Any, make_images: Any, tmp_path: Path) -> None:
    entries = named_models([make_classifier("foreign", embedded=Embedded())])
    assert evaluated_models(entries, make_images(), fallback=OTHER, folder=tmp_path)[0].preprocessing == OTHER
    with pytest.raises(ModelError, match="Give it with --mean and --std"):
        evaluated_models(entries, make_images(), fallback=None, folder=tmp_path)


def test_a_path_outside_the_run_is_kept_as_given(make_classifier: Any, make_images: Any, tmp_path: Path) -> None:
    path = make_classifier("base")
    found = evaluated_models(named_models([path]), make_images(), fallback=None, folder=tmp_path / "run")
    assert found[0].artifact.path == path.as_posix()


@pytest.mark.parametrize(
    "wrong", [{"height": 7}, {"width": 5}, {"layout": "NHWC"}, {"mean": (0.5,), "std": (0.5,)}], ids=str
)
def test_preprocessing_must_make_what_the_model_takes(
    wrong: dict[str, Any], make_classifier: Any, make_images: Any, tmp_path: Path
) -> None:
    odd = Embedded(preprocessing=dataclasses.replace(PREPROCESSING, **wrong))
    with pytest.raises(ModelError, match=r"as the preprocessing makes, got \(N, 3, 6, 6\)"):
        evaluated_models(
            named_models([make_classifier("odd", embedded=odd)]), make_images(), fallback=None, folder=tmp_path
        )


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("red", "green", "blue", "gray"), "a model with 4 classes, as pictures0 has, got 3 classes"),
        (("green", "red", "blue"), "class 0 being 'green', got 'red'"),
    ],
)
def test_classes_must_be_the_datas(
    names: tuple[str, ...], says: str, make_classifier: Any, make_images: Any, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=says):
        evaluated_models(
            named_models([make_classifier("base")]), make_images(names=names), fallback=None, folder=tmp_path
        )


def test_other_words_for_the_classes_are_no_error(make_classifier: Any, make_images: Any, tmp_path: Path) -> None:
    images = make_images(names=("rot", "grün", "blau"))
    assert evaluated_models(named_models([make_classifier("base")]), images, fallback=None, folder=tmp_path)


@pytest.mark.parametrize("labeled", [True, False])
def test_models_must_number_their_classes_alike(
    make_classifier: Any, make_images: Any, tmp_path: Path, *, labeled: bool
) -> None:
    """Whether the data name the classes or not: here they use other words, or none."""
    moved = Embedded(preprocessing=PREPROCESSING, class_names=("red", "blue", "green"))
    foreign = Embedded(preprocessing=PREPROCESSING)
    images = make_images(names=("rot", "grün", "blau"), labeled=labeled)
    paths = [
        make_classifier("base"),
        make_classifier("foreign", embedded=foreign),
        make_classifier("moved", embedded=moved),
    ]
    says = r"class order of base, with class 1 being 'green', got 'blue' \(.*moved\.onnx\)"
    for order in (paths, [paths[1], paths[0], paths[2]]):
        with pytest.raises(DataError, match=says):
            evaluated_models(named_models(order), images, fallback=None, folder=tmp_path)
    assert evaluated_models(named_models(paths[:2]), images, fallback=None, folder=tmp_path)


def test_models_must_have_as_many_classes(make_classifier: Any, make_images: Any, tmp_path: Path) -> None:
    paths = [make_classifier("base"), make_classifier("more", classes=4)]
    with pytest.raises(DataError, match=r"a model with 3 classes, as base has, got 4 classes \(.*more\.onnx\)"):
        evaluated_models(named_models(paths), make_images(labeled=False), fallback=None, folder=tmp_path)


def test_data_without_names_may_lack_the_last_classes(make_classifier: Any, make_images: Any, tmp_path: Path) -> None:
    """Their names are the numbers up to the largest label, which says nothing about the model's classes."""
    entries = named_models([make_classifier("base")])
    assert evaluated_models(entries, make_images(names=("0",), n=1), fallback=None, folder=tmp_path)
    with pytest.raises(DataError, match="a model with 1 classes"):
        evaluated_models(entries, make_images(names=("red",), n=1), fallback=None, folder=tmp_path)
    with pytest.raises(DataError, match="a model with 4 classes"):
        evaluated_models(entries, make_images(names=("0", "1", "2", "3")), fallback=None, folder=tmp_path)
