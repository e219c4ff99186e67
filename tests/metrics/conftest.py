"""Pairs of models' outputs for the tests of the metrics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from compress_onnx.metrics.pair import LogitPair

MakePair = Callable[..., LogitPair]


@pytest.fixture(scope="session")
def make_pair() -> MakePair:
    """Make N samples of C classes; ``noise`` is what compression did to the logits."""

    def make(n: int = 600, c: int = 5, *, noise: float = 0.7, seed: int = 0, labelled: bool = True) -> LogitPair:
        rng = np.random.default_rng(seed)
        labels = rng.integers(c, size=n)
        baseline = rng.normal(size=(n, c)) + 1.5 * np.eye(c)[labels]
        candidate = baseline + noise * rng.normal(size=(n, c))
        return LogitPair(
            labels=labels if labelled else None,
            baseline=baseline.astype(np.float32),
            candidate=candidate.astype(np.float32),
            class_names=tuple(f"class {i}" for i in range(c)),
        )

    return make
