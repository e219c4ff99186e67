"""Sessions of compression steps run as asked, say failures in the step's words, and write what folding makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from compress_onnx.errors import ModelError
from compress_onnx.ort.session import compressing_on
from compress_onnx.ort.step_session import StepSession, save_basic_form

WORDS = {"expected": "a model that this step runs", "where": "the step"}
IMAGES = np.random.default_rng(0).normal(size=(4, 3, 8, 8)).astype(np.float32)


@pytest.mark.parametrize("optimized", [True, False])
def test_outputs_are_those_of_the_reference(
    convnet: onnx.ModelProto,
    tmp_path: Path,
    optimized: bool,  # noqa: FBT001  # two cases
) -> None:
    onnx.save(convnet, tmp_path / "model.onnx")
    (expected,) = ReferenceEvaluator(convnet).run(None, {"input": IMAGES})
    for model in (tmp_path / "model.onnx", convnet.SerializeToString()):
        session = StepSession(model, optimized=optimized, **WORDS)
        assert session.output_types == {"logits": "tensor(float)"}
        for names in (None, ["logits"]):
            (given,) = session.outputs({"input": IMAGES}, names)
            np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-4)


def test_failures_are_said_in_the_steps_words(convnet: onnx.ModelProto, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match=r"a model that this step runs, got .*the step"):
        StepSession(b"no model", **WORDS)
    session = StepSession(convnet.SerializeToString(), **WORDS)
    with pytest.raises(ModelError, match=r"a model that this step runs, got .*the step"):
        session.outputs({"input": IMAGES[:, :1]})
    assert capfd.readouterr().out == ""


def test_threads_are_those_that_were_asked_for(convnet: onnx.ModelProto) -> None:
    with compressing_on(1):
        options = StepSession(convnet.SerializeToString(), **WORDS).session.get_session_options()
    assert options.intra_op_num_threads == 1


def test_the_basic_form_folds_and_can_leave_constants_alone(convnet: onnx.ModelProto, tmp_path: Path) -> None:
    source = tmp_path / "source.onnx"
    onnx.save(convnet, source)
    save_basic_form(source, tmp_path / "basic.onnx")
    kinds = [node.op_type for node in onnx.load(tmp_path / "basic.onnx").graph.node]
    assert "BatchNormalization" not in kinds
    assert kinds.count("Conv") == 2
    with pytest.raises(ModelError, match="before folding"):
        save_basic_form(tmp_path / "absent.onnx", tmp_path / "none.onnx")
