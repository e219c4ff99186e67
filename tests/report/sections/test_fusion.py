"""What the runtime made of each file."""

from __future__ import annotations

import dataclasses
from typing import Any

from compress_onnx.records.artifacts import FloatNode, FusionReceipt
from compress_onnx.report.kit.cells import Tone
from compress_onnx.report.kit.section import Absent
from compress_onnx.report.sections.fusion import FLOAT_NODES_SHOWN, fusion_facts, fusion_section, fusion_table


def receipt(nodes: int, stray: int) -> FusionReceipt:
    found = tuple(FloatNode(op="Conv", name=f"conv{index}", reason="its input is float") for index in range(nodes))
    return FusionReceipt(quantized_nodes=21, float_nodes=found, stray_qdq=stray, int8_fraction=0.5)


def test_float_nodes_are_listed_and_the_rest_counted() -> None:
    table = fusion_table(receipt(FLOAT_NODES_SHOWN + 3, 0))
    assert len(table.rows) == FLOAT_NODES_SHOWN
    assert table.note == "3 more float nodes are in run.json."
    assert "integer kernel" in fusion_table(receipt(0, 0)).reason


def test_stray_pairs_are_bad_and_said() -> None:
    assert (fusion_facts(receipt(1, 2)).tone, fusion_facts(receipt(1, 2)).word) == (Tone.BAD, "left over")
    assert (fusion_facts(receipt(1, 0)).tone, fusion_facts(receipt(1, 0)).bar) == (Tone.PLAIN, 0.5)
    assert fusion_facts(None).tone is Tone.ABSENT


def test_a_run_of_float_models_has_no_such_section(run: Any) -> None:
    bare = tuple(dataclasses.replace(comparison, fusion=None) for comparison in run.record().comparisons)
    assert isinstance(fusion_section(run.input(comparisons=bare)), Absent)
