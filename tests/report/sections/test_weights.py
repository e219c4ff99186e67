"""Layers and sizes of the files."""

from __future__ import annotations

import dataclasses
from typing import Any

from compress_onnx.records.artifacts import Artifact, LayerWeights
from compress_onnx.records.base import Better, Measure, undefined
from compress_onnx.report.kit.cells import ABSENT_TEXT, Note, Table
from compress_onnx.report.sections.weights import (
    LAYERS_SHOWN,
    footprint_table,
    layer_chart,
    layer_table,
    shown_layers,
    weights_section,
)


def layer(index: int, bits: int = 8) -> LayerWeights:
    return LayerWeights(
        name=f"layer{index}", ops=("Conv",), shape=(index + 1, 3), bits=bits, elements=3 * (index + 1), nonzero=index
    )


def with_layers(run: Any, *layers: LayerWeights) -> Artifact:
    return dataclasses.replace(run.record().artifacts[1], layers=layers)


def test_every_layer_has_its_zeros_and_bits(run: Any) -> None:
    artifact = with_layers(run, layer(0), layer(1, bits=4), layer(2, bits=32))
    figure = layer_chart(artifact).figure
    drawn = {trace["name"]: (trace["x"], trace["y"]) for trace in figure["data"]}
    assert drawn["4 bits"] == ([100 * (1 - 1 / 6)], [1])
    assert set(drawn) == {"4 bits", "8 bits", "32 bits"}
    table = layer_table(artifact)
    assert isinstance(table, Table)
    assert [row[3].text for row in table.rows] == ["8", "4", "32"]


def test_of_many_layers_the_largest_stay_in_order() -> None:
    layers = tuple(layer(index) for index in range(LAYERS_SHOWN + 20))
    assert shown_layers(layers) == layers[20:]


def test_an_older_record_without_layers_says_so(run: Any) -> None:
    assert isinstance(layer_table(run.record().artifacts[1]), Note)
    assert layer_chart(run.record().artifacts[1]).figure is None
    assert len(weights_section(run.input()).panels) == 1


def test_the_section_shows_layers_per_candidate(run: Any) -> None:
    record = run.record()
    artifacts = tuple(dataclasses.replace(a, layers=(layer(0),)) for a in record.artifacts)
    section = weights_section(dataclasses.replace(run.input(), record=dataclasses.replace(record, artifacts=artifacts)))
    assert [panel.index for panel in section.panels] == [None, 0, 1, 2, 3]


def test_sizes_are_shown_and_what_was_not_measured_says_so(run: Any) -> None:
    first, *others = run.record().comparisons
    memory = Measure(value=2_000_000.0, unit="bytes", better=Better.LOWER, n=1)
    weighed = dataclasses.replace(
        first.footprint_candidate, zstd_bytes=1500, entropy_bytes=1000, initializer_bytes={"int8": 900}, resident=memory
    )
    table = footprint_table((dataclasses.replace(first, footprint_candidate=weighed), *others), "resnet18")
    assert table is not None
    texts = [cell.text for cell in table.rows[1]]
    assert [" ".join(text.split()) for text in texts[1:3]] == ["1.5 kB", "1.0 kB"]
    assert texts[3].startswith("2.0")
    assert texts[4].startswith("int8 900")
    assert table.rows[0][1].text == table.rows[0][3].text == ABSENT_TEXT
    unknown = dataclasses.replace(weighed, resident=undefined("no such system", unit="bytes", better=Better.LOWER))
    again = footprint_table((dataclasses.replace(first, footprint_candidate=unknown),), "resnet18")
    assert again is not None
    assert again.rows[1][3].detail == "no such system"
