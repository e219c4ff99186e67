"""The table holds every family's operators, none twice."""

from __future__ import annotations

import pytest
from onnx import defs

pytest.importorskip("torch")
from compress_onnx.saliency.operators import (  # after the skip
    activation,
    arithmetic,
    indexing,
    linear,
    normalization,
    pooling,
    quantization,
    resampling,
    shape,
)
from compress_onnx.saliency.operators.table import CONVERTERS

FAMILIES = (
    activation,
    arithmetic,
    indexing,
    linear,
    normalization,
    pooling,
    quantization,
    resampling,
    shape,
)


def test_every_operator_stands_in_one_family_only() -> None:
    names = [name for family in FAMILIES for name in family.CONVERTERS]
    assert len(names) == len(set(names))
    assert set(names) == set(CONVERTERS)


def test_every_name_is_one_of_onnx_s_own_operators_or_says_whose_it_is() -> None:
    assert {name for name in CONVERTERS if "::" not in name} <= {schema.name for schema in defs.get_all_schemas()}
    assert {name.partition("::")[0] for name in CONVERTERS if "::" in name} == {"com.microsoft"}
