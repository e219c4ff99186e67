"""Comparisons of small classifiers, in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from compress_onnx.comparison.job import Job
from compress_onnx.comparison.models import NamedModel
from compress_onnx.comparison.options import CompareOptions
from compress_onnx.comparison.run import RunResults
from compress_onnx.comparison.stages import compared
from compress_onnx.data.images import ImageSet


@pytest.fixture(scope="session")
def _made() -> dict[Any, RunResults]:
    """What was compared once need not be compared again."""
    return {}


@pytest.fixture
def run_of(
    make_classifier: Any, make_images: Any, started: datetime, _made: dict[Any, RunResults]
) -> Callable[..., RunResults]:
    """Compare candidates of so much noise with the clean baseline: ``run_of("old", {"int8": 0.4}, images=...)``."""

    def run(run_id: str, noises: dict[str, float], *, images: ImageSet | None = None) -> RunResults:
        data = make_images() if images is None else images
        key = (*noises.items(), data.info.sha256)
        if key not in _made:
            paths = {name: make_classifier(f"{name}-{noise}", noise=noise) for name, noise in noises.items()}
            models = {"base": make_classifier("base")} | paths
            _made[key] = compared(
                Job(
                    models=[NamedModel(source=path, name=name) for name, path in models.items()],
                    images=data,
                    options=CompareOptions(),
                    command=("compress-onnx", "compare"),
                    started_at=started,
                    manifests=(),
                )
            )
        found = _made[key]
        return dataclasses.replace(found, record=dataclasses.replace(found.record, run_id=run_id))

    return run
