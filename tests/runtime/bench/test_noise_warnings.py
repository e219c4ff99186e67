from __future__ import annotations

from pathlib import Path

import pytest

from compress_onnx.runtime.bench.noise_warnings import (
    Throttling,
    crowding_warnings,
    machine_warnings,
    quota_warnings,
    spread_warnings,
    throttling,
    throttling_warnings,
)


@pytest.mark.parametrize(
    ("threads", "load", "words"),
    [
        (4, 4.0, []),
        (5, 0.0, ["5 threads"]),
        (1, 4.1, ["load average 4.1"]),
        (8, 9.0, ["8 threads", "load average 9.0"]),
    ],
)
def test_crowded_machine_is_named(threads: int, load: float, words: list[str]) -> None:
    found = crowding_warnings(threads, cores=4, load=load)
    assert len(found) == len(words)
    assert all(warning.startswith(word) for warning, word in zip(found, words, strict=True))


def test_more_threads_than_this_machine_has_are_warned_of() -> None:
    assert "100000 threads" in machine_warnings(100_000)[0]


@pytest.mark.parametrize("values", [[], [1.0], [0.0, 0.0], [1.0, 1.0, 1.1]])
def test_steady_or_too_few_values_raise_no_warning(values: list[float]) -> None:
    assert spread_warnings("baseline", values) == ()


# -------------------------------------------------------------------------------------------------- cgroups


@pytest.mark.parametrize(("threads", "quota", "warned"), [(1, None, 0), (1, 1.0, 0), (2, 1.5, 1), (1, 0.5, 1)])
def test_a_quota_below_the_threads_is_named(threads: int, quota: float | None, warned: int) -> None:
    assert len(quota_warnings(threads, quota=quota)) == warned


def test_throttling_is_counted_where_the_system_counts_it(tmp_path: Path) -> None:
    assert throttling(tmp_path, tmp_path) == Throttling(stopped=0, slowed=0)
    (tmp_path / "cpu.stat").write_text("usage_usec 5\nnr_throttled 3\n")
    for core, count in enumerate((4, 0, 2)):
        folder = tmp_path / f"cpu{core}" / "thermal_throttle"
        folder.mkdir(parents=True)
        (folder / "core_throttle_count").write_text(f"{count}\n")
    assert throttling(tmp_path, tmp_path) == Throttling(stopped=3, slowed=6)


def test_only_throttling_while_timing_is_warned_of() -> None:
    before = Throttling(stopped=3, slowed=6)
    assert throttling_warnings(before, before) == ()
    assert throttling_warnings(before, Throttling(stopped=3, slowed=8)) == (
        "the CPU was throttled 2 times while timing: it is too hot",
    )
