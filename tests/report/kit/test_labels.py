"""Names beside marks, held against an exhaustive search where there are few."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.report.kit.labels import HEIGHT, LETTER, PLACES, WIDTH, _mark, _overlap, _text, label_places

fractions = st.floats(0, 1)


@given(st.lists(st.tuples(fractions, fractions), max_size=12))
def test_every_point_gets_one_of_the_places(points: list[tuple[float, float]]) -> None:
    names = [f"name {index}" for index in range(len(points))]
    found = label_places(points, names, [(0.0, 0.0)] * len(points))
    assert len(found) == len(points)
    assert set(found) <= PLACES.keys()


@given(st.tuples(fractions, fractions))
def test_a_lone_name_stays_inside_where_it_can(point: tuple[float, float]) -> None:
    name = "w4a8-plain"
    (found,) = label_places([point], [name], [(0.0, 0.0)])
    boxes = {place: _text(_mark(*point), name, *side) for place, side in PLACES.items()}
    inside = [
        place for place, box in boxes.items() if _overlap(box, (0, 0, WIDTH, HEIGHT)) > LETTER * len(name) * 14.99
    ]
    assert found in (inside or PLACES)


def test_three_files_of_one_size_do_not_overprint() -> None:
    points = [(0.9, 0.8), (0.9, 0.72), (0.9, 0.5)]
    names = ["lenet5-gtsrb", "prune0.7+repair", "prune-folded0.7"]
    found = label_places(points, names, [(0.1, 0.1)] * 3)
    boxes = [
        _text(_mark(*point), name, *PLACES[place]) for point, name, place in zip(points, names, found, strict=True)
    ]
    assert all(_overlap(one, other) == 0 for one in boxes for other in boxes if one is not other)
    assert all(box[2] <= WIDTH for box in boxes)
