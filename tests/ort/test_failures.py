"""What ONNX Runtime raises becomes one sentence; what others raise passes."""

from __future__ import annotations

import pytest
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from compress_onnx.errors import ModelError
from compress_onnx.ort.failures import plain_message, quantizer_failures, runtime_failures

KINDS = [kind for kind in vars(ort_state).values() if isinstance(kind, type) and issubclass(kind, Exception)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_exception_of_the_runtime_is_a_model_error(kind: type[Exception]) -> None:
    with (
        pytest.raises(ModelError, match=r"^Expected this, got its answer 'no good' \(there\)") as caught,
        runtime_failures("there", expected="this"),
    ):
        raise kind("[ONNXRuntimeError] : 1 : FAIL : no\ngood.")
    assert isinstance(caught.value.__cause__, kind)


def test_other_exceptions_pass() -> None:
    with pytest.raises(ZeroDivisionError), runtime_failures("there"):
        raise ZeroDivisionError


def test_an_error_that_is_a_sentence_already_passes_the_quantizer() -> None:
    with pytest.raises(ModelError, match=r"^Expected one thing, got another"), quantizer_failures():
        raise ModelError("one thing", "another")


def test_the_quantizers_failure_names_the_tensor_it_was_busy_with() -> None:
    def quantize(tensor_name: str) -> None:
        raise KeyError(tensor_name)

    with (
        pytest.raises(ModelError, match=r"quantizer understands, got KeyError .*w7.* at tensor 'w7' \(quantize\)"),
        quantizer_failures(),
    ):
        quantize("w7")


@pytest.mark.parametrize(
    ("message", "plain"),
    [
        ("[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got 4\n Expected: 3\n", "Got 4 Expected: 3"),
        (
            "[ONNXRuntimeError] : 1 : FAIL : Node r. /x/onnxruntime/a.h:9 A::B(C&, D) const x was false.",
            "Node r. x was false",
        ),
        ("no code here", "no code here"),
    ],
)
def test_message_loses_codes_and_sources(message: str, plain: str) -> None:
    assert plain_message(message) == plain
