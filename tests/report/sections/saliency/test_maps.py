"""Saliency maps as pictures that can be compared."""

from __future__ import annotations

import base64
import dataclasses
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from compress_onnx.records.saliency import SaliencyMaps, SaliencyShift
from compress_onnx.report.sections.saliency.maps import ZOOM, common_png, difference_png, outlined_png
from compress_onnx.report.sections.saliency.section import saliency_view


def pixels_of(content: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def test_two_maps_on_one_scale_have_equal_colors_for_equal_values() -> None:
    first, second = np.array([[0.0, 0.5]], np.float32), np.array([[0.5, 1.0]], np.float32)
    left, right = (pixels_of(common_png(m, 0, 1)) for m in (first, second))
    assert left[0, 1].tolist() == right[0, 0].tolist()
    assert left[0, 0].tolist() != left[0, 1].tolist() != right[0, 1].tolist()


def test_less_is_blue_no_change_white_and_more_orange() -> None:
    less, same, more = pixels_of(difference_png(np.array([[-2, 0, 2]], np.float32), 1.0))[0].astype(int)
    assert same.tolist() == [255, 255, 255]
    assert less[2] > less[0]
    assert more[0] > more[2]


def test_nothing_moved_is_white_all_over() -> None:
    assert (pixels_of(difference_png(np.zeros((3, 3), np.float32), 0.0)) == 255).all()
    assert pixels_of(common_png(np.full((2, 2), 0.3, np.float32), 0.3, 0.3)).shape == (2, 2, 3)


def test_regions_are_outlined_and_their_insides_left() -> None:
    marked = np.zeros((5, 5), bool)
    marked[1:4, 1:4] = True
    drawn = pixels_of(outlined_png(np.zeros((5, 5), np.float32), marked, 1.0))
    dark = (drawn != 255).any(axis=2)
    assert drawn.shape == (5 * ZOOM, 5 * ZOOM, 3)
    # The rim of a square of 3 cells, one pixel wide.
    assert dark.sum() == 4 * (3 * ZOOM - 1)
    assert dark[ZOOM, ZOOM : 4 * ZOOM].all()


def test_galleries_hold_the_maps(shift: SaliencyShift, maps: SaliencyMaps) -> None:
    view = saliency_view(shift, maps)
    assert view is not None
    means, median, largest = view.galleries
    assert [picture.caption for picture in means.pictures] == [
        "baseline",
        "candidate",
        "candidate − baseline",
        "significant, outlined",
    ]
    assert (median.caption, largest.caption) == ("Median deviation: <one>, 0.100", "Largest deviation: two, 0.200")
    shown = pixels_of(base64.b64decode(median.pictures[0].data))
    assert np.array_equal(shown, maps.example_pixels[0])


def test_one_example_is_one_gallery(shift: SaliencyShift, maps: SaliencyMaps) -> None:
    names = ("example_ids", "example_pixels", "example_baseline", "example_candidate", "example_deviation")
    one = dataclasses.replace(maps, **{name: getattr(maps, name)[:1] for name in names})
    view = saliency_view(shift, one)
    assert view is not None
    assert len(view.galleries) == 2
