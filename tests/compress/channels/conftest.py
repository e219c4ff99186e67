"""Nodes by short names, and the channels of tensors as plain lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import pytest
from onnx import helper


def _node(op: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), [output], output, **attributes)


@pytest.fixture(scope="session")
def node() -> Callable[..., onnx.NodeProto]:
    """Make a node named like its output: ``node("Conv", "input w", "c", pads=[1] * 4)``."""
    return _node
