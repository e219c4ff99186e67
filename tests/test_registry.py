"""A registry loads late, refuses a name twice, and answers unknown names with near ones and all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.errors import PluginError, UnknownNameError
from compress_onnx.registry import Registry, unknown


@pytest.fixture
def shapes() -> Registry[int]:
    registry = Registry[int]("shape")
    registry.add("triangle", lambda: 3)
    registry.add("square", lambda: 4)
    return registry


def test_names_are_sorted_and_known(shapes: Registry[int]) -> None:
    assert shapes.names() == ["square", "triangle"]
    assert shapes["square"] == 4
    assert "square" in shapes
    assert "circle" not in shapes
    assert 4 not in shapes


def test_nothing_is_loaded_before_it_is_asked_for(shapes: Registry[int]) -> None:
    shapes.add("broken", lambda: 1 // 0)
    assert "broken" in shapes.names()
    with pytest.raises(ZeroDivisionError):
        shapes["broken"]


def test_a_name_cannot_be_taken_twice(shapes: Registry[int]) -> None:
    with pytest.raises(PluginError, match=r"one shape of each name, got 'square' twice\. Uninstall or rename"):
        shapes.add("square", lambda: 5)
    assert shapes["square"] == 4


def test_an_unknown_name_is_answered_with_near_names_and_all(shapes: Registry[int]) -> None:
    with pytest.raises(UnknownNameError, match=r"a shape, got 'Squar'\. Did you mean square\? Known: square, triangle"):
        shapes["Squar"]


def test_without_near_names_there_is_no_guess(shapes: Registry[int]) -> None:
    with pytest.raises(UnknownNameError, match=r"got 'xyz'\. Known: square, triangle\."):
        shapes["xyz"]


def test_an_empty_registry_says_so() -> None:
    with pytest.raises(UnknownNameError, match=r"an attribution, got 'x'\. Known: none\."):
        Registry[int]("attribution")["x"]


@given(st.text(), st.lists(st.text(min_size=1)))
def test_any_name_is_answered_with_all_known_ones(name: str, known: list[str]) -> None:
    message = str(unknown("network", name, known, where="here"))
    assert repr(name) in message
    assert "(here)" in message
    assert all(each in message for each in known)
