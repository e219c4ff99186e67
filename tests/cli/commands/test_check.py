"""``check``: compares and decides, with the options of both."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compress_onnx.store import load_samples

Write = Callable[[str], Path]
RULE = '[[rule]]\nmetric = "flips.rate"\n'
ESTIMATE = 'decide_on = "estimate"\n'


def _pass(policy: Write) -> Path:
    return policy(RULE + "at_most = 1")


def test_check_minds_the_lock(cli: Any, shelf: Any, perfect: Path, tmp_path: Path, policy: Write) -> None:
    rows, lock = load_samples(perfect), tmp_path / "flips.lock"
    assert rows is not None
    won = rows["sample_id"][rows["candidate_class"] == rows["label"]]
    flags = [word for sample in won for word in ("--lock-sample", sample)]
    assert cli("gate", perfect, "--write-lock", lock, *flags).code == 0
    words = ("check", shelf.base, shelf.other, "--data", shelf.data, "--policy", _pass(policy), "--out", tmp_path / "c")
    assert cli(*words, "--lock", lock).code == 1


def test_check_looks_at_its_files_before_it_compares(cli: Any, shelf: Any, policy: Write, tmp_path: Path) -> None:
    words = ("check", shelf.base, shelf.other, "--data", shelf.data, "--policy", _pass(policy), "--out", tmp_path / "c")
    for flag in ("--lock", "--against"):
        answer = cli(*words, flag, tmp_path / "no")
        assert answer.code == 2
        assert "predict" not in answer.err


@pytest.mark.parametrize(("limit", "code"), [("at_most = 1", 0), ("at_most = 0", 1)])
def test_check_compares_and_decides(limit: str, code: int, cli: Any, shelf: Any, policy: Write) -> None:
    rules = policy(RULE + limit + "\n" + ESTIMATE)
    folder = rules.parent / "run"
    words = ("check", shelf.base, shelf.other, "--data", shelf.data, "--out", folder)
    answer = cli(*words, "--policy", rules, "--json")
    assert answer.code == code
    assert [check["candidate"] for check in answer.json["checks"]] == ["other"]
    assert {"run.json", "junit.xml", "report.html"} <= {path.name for path in folder.iterdir()}


def test_check_predicts_at_the_batch_asked_for(
    cli: Any, shelf: Any, dynamic: Path, policy: Any, tmp_path: Path
) -> None:
    rules = policy('[[rule]]\nmetric = "flips.rate"\nat_most = 1.0\n')
    words = (
        "--data",
        shelf.data,
        "--policy",
        rules,
        "--batch",
        2,
        "--rounds",
        1,
        "--calls",
        2,
        "--out",
        tmp_path / "run",
    )
    said = cli("check", shelf.base, dynamic, *words)
    assert said.code == 0, said
    assert "predicted 2 images at a time" in said.out
    record = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert record["predicted"][1]["independence"]["predicted_batch"] == 2
    assert record["config"]["batch"] == 2
