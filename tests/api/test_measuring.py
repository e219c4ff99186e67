"""What a model is without a comparison, from Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from compress_onnx import api as co
from compress_onnx.api.example import classifier, pictures
from compress_onnx.errors import ModelError, OptionError, UnknownNameError


def test_models_in_memory_are_timed_as_files_are(tmp_path: Path) -> None:
    onnx.save(classifier(), tmp_path / "m.onnx")
    record = co.bench([tmp_path / "m.onnx", classifier(0.1)], rounds=2, calls=3, batch=(1, 2))
    assert [(one.batch, one.rounds, len(one.candidate.values_ms)) for one in record.latency] == [(1, 2, 6), (2, 2, 6)]
    with pytest.raises(OptionError, match="at least one candidate"):
        co.bench([classifier()])


def test_an_inspection_holds_what_the_command_shows() -> None:
    found = co.inspect(co.quantize(classifier(), pictures(60), calibration_size=30), pictures(20), profile=True)
    assert str(found.artifact.precision) == "w8a8"
    assert found.profile is not None
    assert found.footprint.resident is not None
    assert found.saturation.nodes


def test_maps_of_a_linear_network_are_its_weights() -> None:
    pytest.importorskip("torch")
    images, labels = pictures(12)
    maps = co.saliency_maps(classifier(), (images, labels))
    # The explained logit is the mean of one color: every pixel of every picture counts alike.
    np.testing.assert_allclose(maps, 1 / 36, rtol=1e-5)
    assert maps.shape == (12, 6, 6)
    with pytest.raises(UnknownNameError, match="attribution method"):
        co.saliency_maps(classifier(), (images, labels), method="gradiant")


def test_maps_need_to_know_how_pictures_are_fed() -> None:
    pytest.importorskip("torch")
    graph = classifier()
    del graph.metadata_props[:]
    with pytest.raises(ModelError, match="preprocessing"):
        co.saliency_maps(graph, pictures(5))
