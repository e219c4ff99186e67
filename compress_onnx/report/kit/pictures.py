"""Pixels and saliency maps to PNG, at the resolution of the data."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Viridis (S. van der Walt and N. Smith 2015, CC0) at nine even steps: lightness rises all the way,
# so the order survives gray printing and color blindness.
ANCHORS = ("440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725")
LEVELS = 64
"""Colors of a map: finer steps cannot be told apart and double the bytes."""
UNKNOWN_GRAY = 128


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Return (H, W, 3) uint8 RGB pixels as PNG bytes.

    >>> png(np.zeros((2, 2, 3), dtype=np.uint8))[1:4]
    b'PNG'
    """
    return _encoded(Image.fromarray(np.ascontiguousarray(pixels)))


def map_png(saliency: NDArray[np.floating]) -> bytes:
    """Return a saliency map (H, W) of floats as PNG bytes, lowest value dark, highest bright.

    Values are min-max normalized within the map; a constant map is all dark; a value that is not
    finite is gray.

    >>> map_png(np.eye(4))[1:4]
    b'PNG'
    """
    image = Image.fromarray(_levels(np.asarray(saliency, dtype=np.float64)))
    image.putpalette(_palette())
    return _encoded(image)


def map_levels(content: bytes) -> NDArray[np.uint8]:
    """Return the levels (H, W) of a map's PNG bytes, as :func:`map_png` wrote them: 0 lowest, ``LEVELS`` unknown.

    >>> map_levels(map_png(np.eye(2))).tolist()
    [[63, 0], [0, 63]]
    """
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image, dtype=np.uint8)


def _levels(saliency: NDArray[np.float64]) -> NDArray[np.uint8]:
    known = np.isfinite(saliency)
    low = saliency[known].min(initial=np.inf)
    spread = saliency[known].max(initial=-np.inf) - low
    scaled = np.zeros(saliency.shape)
    if spread > 0:
        scaled[known] = (saliency[known] - low) / spread
    return np.where(known, np.rint(scaled * (LEVELS - 1)), LEVELS).astype(np.uint8)


def _palette() -> bytes:
    anchors = np.array([list(bytes.fromhex(color)) for color in ANCHORS], dtype=np.float64)
    at = np.linspace(0, len(ANCHORS) - 1, LEVELS)
    channels = [np.interp(at, np.arange(len(ANCHORS)), anchors[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8).tobytes() + bytes([UNKNOWN_GRAY] * 3)


def palette_colors() -> list[int]:
    """Return the color of each level of a map as 0xRRGGBB, lowest first, that of unknown values last.

    >>> f"{palette_colors()[0]:06x}", len(palette_colors())
    ('440154', 65)
    """
    return [int.from_bytes(_palette()[3 * level : 3 * level + 3], "big") for level in range(LEVELS + 1)]


def _encoded(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format="PNG", optimize=True)
    return stream.getvalue()
