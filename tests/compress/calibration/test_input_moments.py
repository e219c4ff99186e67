"""Second moments of a layer's inputs predict the mean square of its outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from compress_onnx.compress.calibration.input_moments import InputMoments, _inputs
from compress_onnx.compress.float_form.fold import folded
from compress_onnx.compress.layers.layout import layouts, weight_values

Images = NDArray[np.float32]
MakeModel = Callable[..., onnx.ModelProto]


# ---------------------------------------------------------------------------- moments of the inputs

CONVS = {
    "plain": ((6, 3, 3, 3), {}),
    "pads, strides": ((6, 3, 3, 3), {"pads": [1, 0, 2, 1], "strides": [2, 3]}),
    "dilations": ((6, 3, 3, 2), {"dilations": [2, 3]}),
    "groups": ((6, 1, 3, 3), {"group": 3}),
    "same": ((6, 3, 3, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
}


def _conv(make_model: MakeModel, shape: tuple[int, ...], attributes: dict[str, Any]) -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["input", "w"], ["c"], **attributes),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "m"], ["logits"]),
    ]
    tensors = {"w": rng.normal(size=shape).astype(np.float32), "m": rng.normal(size=(6, 5)).astype(np.float32)}
    return make_model(nodes, tensors)


@pytest.mark.parametrize("name", CONVS)
def test_moments_predict_the_layers_mean_squared_output(
    make_model: MakeModel, images: Images, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("compress_onnx.compress.calibration.input_moments._POSITIONS", 10**6)
    shape, attributes = CONVS[name]
    model = _conv(make_model, shape, attributes)
    probe = InputMoments(model)
    assert sum(len(batch) for batch in probe.watching([images])) == len(images)
    found = probe.found()
    inner = onnx.ModelProto()
    inner.CopyFrom(model)
    inner.graph.output.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("c", "f"))
    logits, conv, features = ReferenceEvaluator(inner).run(None, {"input": images})
    rows = layouts(model)["w"].rows(weight_values(model)["w"]).reshape(len(found["w"]), -1, found["w"].shape[1])
    predicted = np.einsum("gri,gij,grj->gr", rows, found["w"], rows).ravel()
    np.testing.assert_allclose(predicted, (conv**2).mean(axis=(0, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(found["m"][0], features.T @ features / len(features), rtol=1e-4)
    assert logits.shape == (12, 5)


def test_some_positions_are_nearly_all(make_model: MakeModel, images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    model, found = _conv(make_model, *CONVS["plain"]), []
    for positions in (16, 10**6):
        monkeypatch.setattr("compress_onnx.compress.calibration.input_moments._POSITIONS", positions)
        probe = InputMoments(model)
        list(probe.watching([images]))
        found.append(np.diagonal(probe.found()["w"][0]))
    np.testing.assert_allclose(*found, rtol=0.5)


def test_positions_are_spread_over_rows_and_columns() -> None:
    places = _inputs(np.arange(32 * 32, dtype=np.float32).reshape(1, 1, 32, 32), 1).ravel().astype(int)
    assert len(set(places // 32)) == len(set(places % 32)) == len(places) == 16


def test_no_image_no_moment(convnet: onnx.ModelProto) -> None:
    assert InputMoments(folded(convnet)).found() == {}


# ------------------------------------------------------------------------------------- odd layers
