"""``bench`` as a user meets it: a table, a page, one JSON document."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from compress_onnx.runtime.cpu.affinity import core_numbers

FEW = ("--rounds", "1", "--calls", "3")


def test_a_sweep_writes_its_record_and_its_page(cli: Any, shelf: Any, tmp_path: Path) -> None:
    answer = cli("bench", shelf.base, shelf.other, *FEW, "--batch", "1,4", "--out", tmp_path / "run")
    assert answer.code == 0
    assert answer.err.count("...") == 2
    assert "batch 1, 1 thread" in answer.out
    assert "batch 4, 1 thread" in answer.out
    assert "Noise floor: the noise floor needs at least 6 rounds, there are 1." in answer.out
    assert "Warning: 1 rounds: the speed-up's interval needs at least 6." in answer.err
    record = json.loads((tmp_path / "run" / "bench.json").read_text(encoding="utf-8"))
    assert [found["batch"] for found in record["latency"]] == [1, 4]
    assert (record["command"][:2], record["models"]) == (
        ["compress-onnx", "bench"],
        [str(shelf.base), str(shelf.other)],
    )
    assert "Throughput over 2 batch sizes" in (tmp_path / "run" / "bench.html").read_text(encoding="utf-8")


def test_a_candidate_that_is_not_faster_is_explained_from_a_profile(cli: Any, shelf: Any) -> None:
    answer = cli("bench", shelf.base, shelf.other, *FEW, "--json", "--no-spinning")
    (sentences,) = answer.json["explanations"]
    assert re.fullmatch(r"It runs the same \d+ operators per call as the baseline, of the same kinds\.", *sentences)
    assert answer.json["latency"][0]["spinning"] is False


@pytest.mark.slow
@pytest.mark.skipif(len(core_numbers()) < 2, reason="this machine has one core")
def test_threads_are_swept_too(cli: Any, shelf: Any) -> None:
    answer = cli("bench", shelf.base, shelf.other, "--rounds", "6", "--duration", "0.1", "--threads", "1,2", "--json")
    found = answer.json["latency"]
    assert [(one["threads"], len(one["cores"])) for one in found] == [(1, 1), (2, 2)]
    assert all(one["significant"] is not None for one in found)
    assert all(one["noise_floor"]["value"] >= 0 for one in found)


def test_bench_prints_raw_values(cli: Any, shelf: Any) -> None:
    answer = cli(
        "bench", shelf.base, shelf.other, shelf.base, "--rounds", "2", "--calls", "4", "--batch", "3", "--json"
    )
    assert answer.code == 0
    assert [len(found["candidate"]["values_ms"]) for found in answer.json["latency"]] == [8, 8]
    assert answer.json["latency"][0]["batch"] == 3
    assert answer.json["environment"]["cores"] >= 1
