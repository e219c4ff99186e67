"""Where the names beside a chart's marks stand, so that they overprint neither each other nor other marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Box: TypeAlias = tuple[float, float, float, float]
"""Left, bottom, right and top in pixels."""
# A drawing area in pixels as small as it usually gets, and the size of its marks and letters.
WIDTH, HEIGHT = 380, 240
MARK, LETTER, LINE = 14, 6.4, 15
OUTSIDE = 4.0
"""How much worse than overprinting it is to be cut off at the edge."""
# By name as plotly has it: where the text's box lies from the mark, in halves of its size and the mark's.
PLACES = {
    "middle right": (1, 0),
    "top right": (1, 1),
    "bottom right": (1, -1),
    "middle left": (-1, 0),
    "top left": (-1, 1),
    "bottom left": (-1, -1),
    "top center": (0, 1),
    "bottom center": (0, -1),
}


def label_places(
    points: Sequence[tuple[float, float]], names: Sequence[str], arms: Sequence[tuple[float, float]]
) -> list[str]:
    """Return for each point the place of its name, as plotly calls it, that overprints least.

    ``points`` are positions from 0 to 1, right and up; ``arms`` how far each one's interval reaches
    down and up, in the same unit. Names are placed one after the other, so that later ones evade
    earlier ones; the first of equally good places wins.

    >>> label_places([(0.5, 0.5), (0.52, 0.5)], ["left one", "right one"], [(0, 0), (0, 0)])
    ['top right', 'bottom right']
    """
    marks = [_mark(x, y) for x, y in points]
    lines = [_interval(x, y, arm) for (x, y), arm in zip(points, arms, strict=True)]
    taken: list[Box] = []
    chosen = []
    for place, name in enumerate(names):
        others = [*taken, *marks[:place], *marks[place + 1 :], *lines]
        options = {option: _text(marks[place], name, *side) for option, side in PLACES.items()}
        best = min(options, key=lambda option: _cost(options[option], others))
        taken.append(options[best])
        chosen.append(best)
    return chosen


def _mark(x: float, y: float) -> Box:
    return (x * WIDTH - MARK / 2, y * HEIGHT - MARK / 2, x * WIDTH + MARK / 2, y * HEIGHT + MARK / 2)


def _interval(x: float, y: float, arm: tuple[float, float]) -> Box:
    return (x * WIDTH - 1, (y - arm[0]) * HEIGHT, x * WIDTH + 1, (y + arm[1]) * HEIGHT)


def _text(mark: Box, name: str, right: int, up: int) -> Box:
    width = LETTER * len(name)
    middle_x = (mark[0] + mark[2]) / 2 + right * (MARK + width) / 2
    middle_y = (mark[1] + mark[3]) / 2 + up * (MARK + LINE) / 2
    return (middle_x - width / 2, middle_y - LINE / 2, middle_x + width / 2, middle_y + LINE / 2)


def _cost(box: Box, others: Sequence[Box]) -> float:
    inside = _overlap(box, (0, 0, WIDTH, HEIGHT))
    return OUTSIDE * (_area(box) - inside) + sum(_overlap(box, other) for other in others)


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _overlap(one: Box, other: Box) -> float:
    return _area((max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])))
