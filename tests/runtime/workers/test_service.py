"""What a worker answers with, asked without a process."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from compress_onnx.runtime.workers import service


def test_each_timed_region_is_one_call_of_the_session() -> None:
    ticks = iter(range(1000))
    calls = []

    class Session:
        def get_outputs(self) -> list[onnx.ValueInfoProto]:
            return [onnx.ValueInfoProto(name="y")]

        def run(self, names: list[str], feed: dict[str, NDArray[np.float32]]) -> None:
            calls.append((names, list(feed), next(ticks)))

    serving = service.Service(clock=lambda: next(ticks))
    serving._session = Session()
    header, spent = serving.answer({"op": "time", "calls": 3, "warmup": 1}, {"x": np.zeros(1, np.float32)})
    assert (header["ok"], header["first_ns"]) == (True, 2)
    assert spent["values"].tolist() == [2, 2, 2]
    assert calls == [(["y"], ["x"], 1 + 3 * call) for call in range(5)]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"op": "dance"}, "unknown request 'dance'"),
        ({}, "unknown request None"),
        ({"op": "load"}, "'path'"),
        ({"op": "run"}, "no model is loaded"),
        ({"op": "time", "calls": 1}, "no model is loaded"),
        ({"op": "profile"}, "no model is loaded"),
    ],
)
def test_requests_that_make_no_sense_are_answered(request_: dict[str, object], words: str) -> None:
    header, arrays = service.Service().answer(request_, {})
    assert (header["ok"], header["error"]["kind"], arrays) == (False, "request", {})
    assert words in header["error"]["message"]
