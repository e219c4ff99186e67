"""Frames between a worker and its other half: what goes in comes out, and noise is noticed."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from compress_onnx.runtime.workers import frames

numeric = st.sampled_from(["<f4", "<f8", "<i8", "|u1", "|i1", "|b1", ">f4", "<f2"])
some_arrays = st.dictionaries(
    st.text(min_size=1, max_size=5),
    npst.arrays(numeric, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)),
    max_size=3,
)


@settings(max_examples=30)
@given(some_arrays)
def test_arrays_come_back_as_they_were(arrays: dict[str, NDArray[np.generic]]) -> None:
    header, found = frames.decode(io.BytesIO(frames.encode({"op": "run"}, arrays)).read)
    assert header == {"op": "run"}
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype.newbyteorder("<")
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(
    "noise", [b"Welcome to this board!\n", b"cOnX" + b"\xff" * 12, frames.PREFIX.pack(b"cOnX", 2, 0) + b"{x"]
)
def test_noise_is_no_frame(noise: bytes) -> None:
    with pytest.raises(frames.NotAFrameError):
        frames.decode(io.BytesIO(noise).read)


def test_a_frame_that_ends_early_is_the_end() -> None:
    whole = frames.encode({"op": "run"}, {"x": np.arange(4)})
    for length in range(len(whole)):
        with pytest.raises(EOFError):
            frames.decode(frames.exactly(io.BytesIO(whole[:length])))
