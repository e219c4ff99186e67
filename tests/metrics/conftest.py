"""Pairs of models' outputs for the tests of the metrics."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from compress_onnx.metrics.outputs.pair import LogitPair

MakePair = Callable[..., LogitPair]


@pytest.fixture(scope="session")
def make_pair() -> MakePair:
    """Make N samples of C classes; ``noise`` is what compression did to the logits."""

    def make(n: int = 600, c: int = 5, *, noise: float = 0.7, seed: int = 0, labeled: bool = True) -> LogitPair:
        rng = np.random.default_rng(seed)
        labels = rng.integers(c, size=n)
        baseline = rng.normal(size=(n, c)) + 1.5 * np.eye(c)[labels]
        candidate = baseline + noise * rng.normal(size=(n, c))
        return LogitPair(
            labels=labels if labeled else None,
            baseline=baseline.astype(np.float32),
            candidate=candidate.astype(np.float32),
            class_names=tuple(f"class {i}" for i in range(c)),
        )

    return make


@pytest.fixture(scope="session")
def coverage_of() -> ModuleType:
    """The module that the coverage benchmark stands on; tests are no package, so it is loaded by its path."""
    path = Path(__file__).parents[1] / "benchmarks" / "coverage_of.py"
    spec = importlib.util.spec_from_file_location("coverage_of", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module
