"""The folded form of a model that is quantized: checked against the model, faint channels strengthened."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.compress.checks.layer_error import taps
from compress_onnx.compress.checks.same_function import difference, expect_same_function, few
from compress_onnx.compress.layers import strengthened
from compress_onnx.model import signature_of

# Share of the largest output that strengthening faint channels may move.
_BORNE = 0.02


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckedForm:
    """A folded model, its layers' inputs and outputs ``seen`` on a few images, and its ``delicate`` weights.

    Those are rounded with their inputs in mind at any width.
    """

    model: onnx.ModelProto
    seen: Mapping[str, NDArray[np.floating]]
    delicate: frozenset[str] = frozenset()


def checked_form(
    model: onnx.ModelProto,
    plain: onnx.ModelProto,
    batches: Iterable[NDArray[np.float32]],
    sample: NDArray[np.float32],
) -> CheckedForm:
    """Return the folded form ``plain`` of a model, its faint channels strengthened where the outputs bear it.

    ``batches`` (B, C, H, W) are read only where channels are faint. Inputs that are not finite check nothing.

    Errors
    ------
    SelfCheckError
        if the folded form does not give the model's outputs on the sample.
    """
    if not len(sample) or not np.isfinite(sample).all():
        return CheckedForm(model=plain, seen={})
    output, seen = signature_of(plain).output_name, taps(plain, sample)
    shown = few(sample, plain)
    expect_same_function(model, seen[output][: len(shown)], shown, step="folding")
    stronger = strengthened(plain, batches)
    if stronger.model is plain:
        return CheckedForm(model=plain, seen=seen)
    # Weights that bring back what float32 has rounded away amplify the rounding: then nothing is to be won.
    moved = taps(stronger.model, sample)
    if difference(seen[output], moved[output]) > _BORNE:
        return CheckedForm(model=plain, seen=seen)
    return CheckedForm(model=stronger.model, seen=moved, delicate=stronger.delicate)
