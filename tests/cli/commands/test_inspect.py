"""``inspect``: weights, kernels, and where the time goes."""

from __future__ import annotations

from typing import Any


def test_inspect_prints_weights_and_kernels(cli: Any, shelf: Any) -> None:
    found = cli("inspect", shelf.base, "--json").json
    assert [weight["shape"] for weight in found["weights"]] == [[4, 3, 3, 3], [3, 256]]
    assert found["artifact"]["precision"] == "fp32"
    assert found["fusion"]["int8_fraction"] == 0
    assert found["profile"] is None


def test_inspect_shows_where_the_time_goes(cli: Any, shelf: Any) -> None:
    profile = cli("inspect", shelf.base, "--profile", "--json").json["profile"]
    assert sum(operator["nodes"] for operator in profile["operators"]) == profile["nodes"]
    assert "Where a call's time goes" in cli("inspect", shelf.base, "--profile").out
