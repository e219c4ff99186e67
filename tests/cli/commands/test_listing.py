"""``list``: every name the tool knows."""

from __future__ import annotations

from typing import Any


def test_list_names_what_is_there(cli: Any) -> None:
    found = cli("list", "--json").json
    assert {"digits", "cifar10", "gtsrb"} <= set(found["data sets"])
    assert {"prune", "quantize"} <= set(found["compressors"])
    assert "gradient" in found["attribution methods"]
