"""Maps of one model on its own, against gradients known in advance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("captum")

from onnx import numpy_helper

from compress_onnx.comparison.maps import model_maps
from compress_onnx.comparison.options import CompareOptions
from compress_onnx.errors import OptionError
from compress_onnx.extension_points import attributions
from compress_onnx.model.model import Model

if "gradient" not in attributions():
    pytest.skip("the package is not installed, so it has no entry points", allow_module_level=True)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["baseline", "label"])
def test_the_gradient_of_a_mean_of_colors_is_the_kernels_row(
    make_classifier: Any, make_images: Any, target: str
) -> None:
    """Each logit is the mean of one mixed color: its gradient is the same at every place."""
    model, images = Model.of(make_classifier("m", noise=0.4)), make_images(n=20)
    form = model.embedded.preprocessing
    assert form is not None
    maps = model_maps(model, images, form, CompareOptions(saliency="gradient", saliency_target=target))
    assert (maps.shape, maps.dtype) == ((20, 6, 6), np.float32)
    kernel = numpy_helper.to_array(model.proto.graph.initializer[0])[..., 0, 0].astype(np.float64)
    inputs = np.concatenate(list(images.batches(form)))
    answers = np.einsum("oi,nihw->no", kernel, inputs.astype(np.float64)).argmax(axis=1)
    assert not np.array_equal(answers, images.labels)
    rows = np.abs(kernel[answers if target == "baseline" else images.labels])
    # However a map is scaled and colors become one number: pictures of one class have one map, flat all over.
    assert np.ptp(maps, axis=(1, 2)).max() <= 1e-6 * maps.max()
    for place in range(20):
        same = np.array_equal(rows[0], rows[place])
        assert np.allclose(maps[0], maps[place], rtol=1e-5) == same


def test_labels_cannot_be_explained_where_there_are_none(make_classifier: Any, make_images: Any) -> None:
    model = Model.of(make_classifier("m"))
    form = model.embedded.preprocessing
    assert form is not None
    options = CompareOptions(saliency="gradient", saliency_target="label")
    with pytest.raises(OptionError, match="label"):
        model_maps(model, make_images(n=4, labeled=False), form, options)
