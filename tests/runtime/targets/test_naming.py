"""A target's name is the form of one kind of target, or is answered with all forms."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from compress_onnx.errors import UnknownNameError
from compress_onnx.runtime.targets import naming
from compress_onnx.runtime.targets.naming import FORMS, connect, target_named
from compress_onnx.runtime.targets.simulated import SimulatedTarget


@pytest.mark.parametrize("name", ["nowhere", "", "qemu", "qemu:", "qemu-aarch64:", "ssh", "Local", "local:1"])
def test_another_name_is_answered_with_the_forms(name: Any) -> None:
    with pytest.raises(UnknownNameError, match=r"Expected a target, got .*Known: local, qemu-aarch64:CPU\["):
        target_named(name)


def test_every_form_is_offered_and_the_flag_named() -> None:
    with pytest.raises(UnknownNameError, match=r"got 'simulated' \(--target\)") as caught:
        target_named("simulated")
    assert all(form in str(caught.value) for form in FORMS)


@pytest.mark.parametrize(
    ("text", "maker", "given"),
    [
        ("simulated:x86-64-avx2", "simulated", ("x86-64-avx2",)),
        ("qemu:haswell", "x86_64", ("haswell",)),
        ("qemu-aarch64:cortex-a72", "aarch64", ("cortex-a72", "")),
        ("qemu-aarch64:cortex-a72:/a:b/root", "aarch64", ("cortex-a72", "/a:b/root")),
    ],
)
def test_what_stands_behind_the_kind_goes_to_its_maker_with_the_name_as_written(
    monkeypatch: pytest.MonkeyPatch, text: str, maker: str, given: tuple[str, ...]
) -> None:
    asked: list[tuple[tuple[str, ...], str]] = []
    monkeypatch.setattr(naming, maker, lambda *words, name: asked.append((words, name)))
    target_named(text)
    assert asked == [(given, text)]


@pytest.mark.parametrize("text", ["ssh://pi@board:22/python", "ssh:board", "ssh:"])
def test_a_whole_address_goes_to_the_board_even_a_wrong_one(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    asked: list[str] = []
    monkeypatch.setattr(naming, "board", asked.append)
    target_named(text)
    assert asked == [text]


def test_local_is_this_python_on_a_real_cpu() -> None:
    target = target_named("local")
    assert (target.name, target.command, target.emulator, target.timed) == ("local", (sys.executable,), None, False)


def test_only_a_simulated_target_answers_without_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(naming, "connect_by_worker", asked.append)
    simulated = target_named("simulated:aarch64")
    assert isinstance(simulated, SimulatedTarget)
    assert connect(simulated).simulated
    assert asked == []
    connect(target_named("local"))
    assert asked == [target_named("local")]
