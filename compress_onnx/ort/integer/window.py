"""Where a convolution's kernel lies: sizes, steps and padding, in any number of dimensions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

_SAME = {b"SAME_UPPER": 0, b"SAME_LOWER": 1}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class KernelWindow:
    """Geometry of a convolution; one entry per spatial axis, ``pads`` as (before, after).

    ``same`` is the surplus that ``auto_pad`` puts before the image rather than behind it (1 for
    SAME_LOWER), ``None`` where ``pads`` say it all.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    same: int | None = None

    def padding(self, size: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """Return (before, after) per axis for an image of that size.

        >>> kernel_window((3,), {"auto_pad": b"SAME_UPPER", "strides": [2]}).padding([4])
        ((0, 1),)
        """
        if self.same is None:
            return self.pads
        return tuple(self._surplus(axis, length) for axis, length in enumerate(size))

    def _surplus(self, axis: int, length: int) -> tuple[int, int]:
        step = self.strides[axis]
        whole = max((-(-length // step) - 1) * step + self._extent(axis) - length, 0)
        before = (whole + (self.same or 0)) // 2
        return before, whole - before

    def _extent(self, axis: int) -> int:
        return (self.kernel[axis] - 1) * self.dilations[axis] + 1

    def positions(self, size: Sequence[int]) -> tuple[int, ...]:
        """Return how often the kernel fits along each axis of an image of that size.

        >>> kernel_window((3, 3), {"pads": [1, 1, 1, 1], "strides": [2, 1]}).positions([8, 8])
        (4, 8)
        """
        padded = [length + before + after for length, (before, after) in zip(size, self.padding(size), strict=True)]
        return tuple((length - self._extent(axis)) // self.strides[axis] + 1 for axis, length in enumerate(padded))

    def seen_from(self, place: Sequence[int], positions: Sequence[int]) -> tuple[slice, ...]:
        """Return what one place of the kernel lies on, over all positions, in the padded image."""
        starts = [at * dilation for at, dilation in zip(place, self.dilations, strict=True)]
        return tuple(
            slice(start, start + (count - 1) * step + 1, step)
            for start, count, step in zip(starts, positions, self.strides, strict=True)
        )


def kernel_window(kernel: Sequence[int], attributes: Mapping[str, Any]) -> KernelWindow:
    """Return the window of a convolution by its kernel and ONNX attributes."""
    axes = len(kernel)
    pads = tuple(attributes.get("pads") or (0,) * (2 * axes))
    automatic = attributes.get("auto_pad", b"NOTSET")
    return KernelWindow(
        kernel=tuple(kernel),
        strides=tuple(attributes.get("strides") or (1,) * axes),
        dilations=tuple(attributes.get("dilations") or (1,) * axes),
        pads=((0, 0),) * axes if automatic == b"VALID" else tuple(zip(pads[:axes], pads[axes:], strict=True)),
        same=_SAME.get(automatic),
    )
