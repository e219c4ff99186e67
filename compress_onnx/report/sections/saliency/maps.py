"""Saliency maps to compare: on one common scale, as signed differences, and with what is significant outlined."""

from __future__ import annotations

import base64
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from compress_onnx.records import SaliencyMaps
from compress_onnx.report.kit import ANCHORS, Gallery, Picture, percent, plain, png

# Blue for less, vermillion for more, the report's colors of gain and harm, which color-blind readers tell apart;
# white is no change.
LESS, NO_CHANGE, MORE = "2f86d0", "ffffff", "d9542b"
INK = (0x1B, 0x21, 0x29)
ZOOM = 8
"""Pixels per cell of an outlined map: the outline is one of them wide."""
T = TypeVar("T", bound=np.generic)
Map = NDArray[np.float32]
Pixels = NDArray[np.uint8]
EXAMPLE_NAMES = ("Median deviation", "Largest deviation")


def common_png(saliency: Map, low: float, high: float) -> bytes:
    """Return a map (H, W) as PNG bytes, ``low`` dark and ``high`` bright, so that two maps can be compared.

    >>> common_png(np.eye(4, dtype=np.float32), 0.0, 1.0)[1:4]
    b'PNG'
    """
    return png(_colored((saliency - low) / ((high - low) or 1.0), ANCHORS))


def difference_png(difference: Map, limit: float) -> bytes:
    """Return signed differences (H, W) as PNG bytes: blue at ``-limit``, white at 0, vermillion at ``limit``.

    >>> difference_png(np.eye(4, dtype=np.float32), 1.0)[1:4]
    b'PNG'
    """
    return png(_signed(difference, limit))


def outlined_png(difference: Map, marked: NDArray[np.bool_], limit: float) -> bytes:
    """Return signed differences (h, w) enlarged, with a dark line around each region of ``marked`` cells.

    >>> outlined_png(np.eye(4, dtype=np.float32), np.eye(4, dtype=bool), 1.0)[1:4]
    b'PNG'
    """
    pixels = _enlarged(_signed(difference, limit))
    pixels[_outline(_enlarged(marked))] = INK
    return png(pixels)


def _signed(difference: Map, limit: float) -> Pixels:
    return _colored(difference / (2 * limit or 1.0) + 0.5, (LESS, NO_CHANGE, MORE))


def _colored(values: NDArray[np.floating], colors: tuple[str, ...]) -> Pixels:
    """Return values from 0 to 1, beyond which they are cut, as RGB (H, W, 3) between colors at even steps."""
    stops = np.array([list(bytes.fromhex(color)) for color in colors], dtype=np.float64)
    place = np.clip(values, 0, 1) * (len(colors) - 1)
    channels = [np.interp(place, np.arange(len(colors)), stops[:, channel]) for channel in range(3)]
    return np.asarray(np.rint(np.stack(channels, axis=-1)), dtype=np.uint8)


def _enlarged(cells: NDArray[T]) -> NDArray[T]:
    return cells.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)


def _outline(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the marked pixels that touch an unmarked one, the picture's edge not counted as one."""
    padded = np.pad(marked, 1, mode="edge")
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.asarray(marked & ~inside)


def mean_gallery(maps: SaliencyMaps) -> Gallery:
    """Return the mean maps of both models on one scale, and their difference without and with its outlines."""
    both = np.stack([maps.mean_baseline, maps.mean_candidate])
    low, high = float(both.min()), float(both.max())
    limit = float(np.abs(maps.mean_difference).max())
    return Gallery(
        caption="Mean maps over all explained pictures",
        pictures=(
            _picture(common_png(maps.mean_baseline, low, high), "baseline", "mean map of the baseline"),
            _picture(common_png(maps.mean_candidate, low, high), "candidate", "mean map of the candidate"),
            *_mean_differences(maps, limit),
        ),
        note=f"Both means on one scale from {plain(low)} to {plain(high)}. Differences: blue looks less, orange more, "
        f"full color at {plain(limit, 3)}. Outlined: beyond chance at a false-discovery rate of 5 %.",
    )


def _mean_differences(maps: SaliencyMaps, limit: float) -> tuple[Picture, Picture]:
    scale = f"from {plain(-limit, 3)} (blue) to {plain(limit, 3)} (orange)"
    share = percent(float(maps.significant.mean()), 0)
    outlined = outlined_png(maps.mean_difference, maps.significant, limit)
    said = f"the same difference, with the {share} of the cells that moved beyond chance outlined"
    return (
        _picture(
            difference_png(maps.mean_difference, limit), "candidate − baseline", f"signed mean difference, {scale}"
        ),
        _picture(outlined, "significant, outlined", said),
    )


def example_galleries(maps: SaliencyMaps) -> tuple[Gallery, ...]:
    """Return picture, both maps and their difference of the sample of median and of largest deviation."""
    moved = maps.example_candidate - maps.example_baseline
    limit = float(np.abs(moved).max(initial=0.0))
    return tuple(
        Gallery(
            caption=f"{name}: {sample}, {plain(float(maps.example_deviation[place]), 3)}",
            pictures=(
                _picture(png(maps.example_pixels[place]), "input", f"the picture {sample}"),
                _picture(common_png(maps.example_baseline[place], 0, 1), "baseline", "map of the baseline"),
                _picture(common_png(maps.example_candidate[place], 0, 1), "candidate", "map of the candidate"),
                _difference(moved[place], limit),
            ),
            note=f"Both maps on a scale from 0 to 1; full color of the difference at {plain(limit)}.",
        )
        for place, (name, sample) in enumerate(zip(EXAMPLE_NAMES, maps.example_ids.tolist(), strict=False))
    )


def _difference(moved: Map, limit: float) -> Picture:
    scale = f"from {plain(-limit)} (blue) to {plain(limit)} (orange)"
    return _picture(difference_png(moved, limit), "candidate − baseline", f"signed difference, {scale}")


def _picture(content: bytes, caption: str, alt: str) -> Picture:
    return Picture(data=base64.b64encode(content).decode("ascii"), caption=caption, alt=alt)
