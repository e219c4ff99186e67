"""What a worker does with a task: it answers, and raises nothing."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from compress_onnx.runtime.cpu.machine import environment
from compress_onnx.study.execute.tasks import (
    Done,
    Failed,
    Unfit,
    UnfitWorkerError,
    WorkerRequirements,
    data_sha256,
    perform,
)
from compress_onnx.study.execute.transfer import Bundle, store_contents


def test_other_packages_and_other_data_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    WorkerRequirements(packages={"onnx": "1"}, data={}).check({"onnx": "1", "more": "2"})
    with pytest.raises(UnfitWorkerError, match=r"onnx 1, as the client has, got none"):
        WorkerRequirements(packages={"onnx": "1"}, data={}).check({})
    right = data_sha256("digits:test")
    WorkerRequirements(packages={}, data={"digits:test": right}).check({})
    with pytest.raises(UnfitWorkerError, match=rf"digits:test with hash 000000000000.*got {right[:12]}"):
        WorkerRequirements(packages={}, data={"digits:test": "0" * 64}).check({})
    with pytest.raises(UnfitWorkerError, match=r"the data no/such\.npz, got this: .*no file"):
        WorkerRequirements(packages={}, data={"no/such.npz": right}).check({})


def test_a_worker_answers_instead_of_raising(echo: Any) -> None:
    unfit = perform(
        dataclasses.replace(echo, requirements=WorkerRequirements(packages={"compress-onnx": "0"}, data={})), {}
    )
    assert isinstance(unfit, Unfit)
    assert environment().packages["compress-onnx"] in unfit.reason
    assert unfit.worker == f"process {os.getpid()}"
    failed = perform(dataclasses.replace(echo, files=Bundle(items=(), shared=False)), {"a" * 64: b"b"})
    assert isinstance(failed, Failed)
    assert not failed.trace


def test_sums_stay_on_one_thread(echo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []

    class Torch:
        @staticmethod
        def get_num_threads() -> int:
            return 7

        @staticmethod
        def set_num_threads(number: int) -> None:
            told.append(number)

    store_contents({item.sha256: Path(item.source).read_bytes() for item in echo.files.items})
    monkeypatch.setitem(sys.modules, "torch", Torch)
    assert isinstance(perform(echo, {}), Done)
    assert told == [1, 7]
