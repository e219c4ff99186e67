from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compress_onnx.ort.integer import probe


class Answering:
    """A session whose every output is one number."""

    def __init__(self, answer: int) -> None:
        self.answer = answer

    def run(self, outputs: None, feed: dict[str, Any]) -> list[Any]:
        return [np.full(feed["x"].shape, self.answer, np.uint8)]


@pytest.mark.parametrize(("answer", "expected"), [(200, False), (101, True)])
def test_probe_reads_saturation_from_the_answer(
    answer: int,
    expected: bool,  # noqa: FBT001  # a parametrized value
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probe, "open_session", lambda _: Answering(answer))
    assert probe.saturates.__wrapped__() is expected


def test_probe_answers_as_exact_or_saturating_arithmetic_would() -> None:
    """Exact: 200. Pairs of products stopped at int16: 200 * 32767 / (2 * 255 * 127) = 101."""
    session = probe.open_session(probe.saturation_probe())
    (answer,) = session.run(None, {"x": np.full((1, 64, 1, 1), 255, np.uint8)})
    assert set(np.unique(answer)) in ({200}, {round(200 * 32767 / (2 * 255 * 127))})
