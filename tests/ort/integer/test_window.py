"""Where a kernel lies, against the convolutions of the float runtime: positions, padding, and what each place sees."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from compress_onnx.ort.integer.window import kernel_window

Runner = Callable[[onnx.ModelProto, NDArray[Any]], NDArray[Any]]
GEOMETRIES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((7, 6), (3, 2), {}),
    ((7, 6), (3, 3), {"pads": [1, 0, 2, 1], "strides": [2, 1]}),
    ((9, 10), (3, 2), {"dilations": [2, 3], "pads": [2, 3, 0, 1], "strides": [1, 3]}),
    ((8, 5), (4, 2), {"auto_pad": "SAME_UPPER", "strides": [3, 2]}),
    ((8, 5), (4, 2), {"auto_pad": "SAME_LOWER", "strides": [1, 2]}),
    ((7, 9), (2, 4), {"auto_pad": "SAME_LOWER", "strides": [3, 1]}),
    ((8, 5), (4, 2), {"auto_pad": "VALID", "strides": [2, 1]}),
    ((9, 4), (1, 1), {"auto_pad": "SAME_UPPER", "strides": [4, 3]}),
    ((11,), (5,), {"strides": [2], "pads": [0, 3]}),
    ((4, 5, 6), (2, 3, 2), {"pads": [0, 1, 0, 0, 1, 1], "strides": [1, 2, 2]}),
]


def read(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return attributes as they are read from a node: strings as bytes."""
    return {name: value.encode() if isinstance(value, str) else value for name, value in attributes.items()}


@pytest.mark.parametrize(("size", "kernel", "attributes"), GEOMETRIES)
def test_what_the_places_of_a_kernel_see_adds_up_to_the_runtimes_convolution(
    one_node: Callable[..., onnx.ModelProto],
    runtime: Runner,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    attributes: dict[str, Any],
) -> None:
    rng = np.random.default_rng(len(size))
    image = rng.integers(-9, 9, (1, 1, *size)).astype(np.float32)
    weights = rng.integers(-9, 9, (1, 1, *kernel)).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], **attributes)
    expected = runtime(one_node(node, {"w": weights}, image, TensorProto.FLOAT), image)[0, 0]
    window = kernel_window(kernel, read(attributes))
    positions = window.positions(size)
    assert positions == expected.shape
    padded = np.pad(image[0, 0], window.padding(size))
    total = sum(
        weights[(0, 0, *place)] * padded[window.seen_from(place, positions)]
        for place in itertools.product(*map(range, kernel))
    )
    np.testing.assert_array_equal(total, expected)


@pytest.mark.parametrize(("odd", "expected"), [("SAME_UPPER", ((1, 2), (0, 1))), ("SAME_LOWER", ((2, 1), (1, 0)))])
def test_the_odd_row_of_an_automatic_padding_lies_where_its_name_says(
    odd: str, expected: tuple[tuple[int, int], ...]
) -> None:
    assert kernel_window((4, 2), read({"auto_pad": odd})).padding([8, 5]) == expected


def test_automatic_padding_keeps_the_size_at_any_kernel_and_never_cuts() -> None:
    for size, kernel, step in itertools.product(range(1, 12), range(1, 6), range(1, 5)):
        for name in ("SAME_UPPER", "SAME_LOWER"):
            window = kernel_window((kernel,), read({"auto_pad": name, "strides": [step]}))
            assert window.positions([size]) == (-(-size // step),)
            ((before, after),) = window.padding([size])
            assert min(before, after) >= 0
            assert abs(before - after) <= 1


def test_valid_takes_no_padding_whatever_the_pads_say() -> None:
    window = kernel_window((3, 3), read({"auto_pad": "VALID", "pads": [1, 1, 1, 1]}))
    assert window.padding([8, 8]) == ((0, 0), (0, 0))
    assert window.positions([8, 8]) == (6, 6)


@pytest.mark.parametrize("missing", [{}, {"strides": [], "dilations": None, "pads": []}])
def test_attributes_that_are_missing_or_empty_are_steps_of_one_without_padding(missing: dict[str, Any]) -> None:
    window = kernel_window((3, 2), missing)
    assert (window.strides, window.dilations, window.pads) == ((1, 1), (1, 1), ((0, 0), (0, 0)))
