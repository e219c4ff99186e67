"""Which Dask schedulers and workers a study takes; whole studies on a cluster are in ``test_interruption``."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from compress_onnx.errors import OptionError
from compress_onnx.extension_points import executors
from compress_onnx.runtime.cpu.machine import environment
from compress_onnx.study.execute import cluster
from compress_onnx.study.execute.cluster import DaskCluster, open_cluster, unlike


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("tcp://127.0.0.1:1", r"got Timed out trying to connect to tcp://127\.0\.0\.1:1"),
        ("ftp://127.0.0.1", "got unknown address scheme 'ftp'"),
        ("gibberish", "got missing port number in address 'gibberish'"),
    ],
)
def test_a_scheduler_that_cannot_be_reached_is_said(address: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "_TIMEOUT_S", 0.3)
    with pytest.raises(OptionError, match=rf"Expected a Dask scheduler that answers, {says}.*\({address}\)"):
        open_cluster(address, None)


def test_a_cluster_has_its_own_workers() -> None:
    with pytest.raises(OptionError, match="--workers without a cluster, which has its own, got 2"):
        executors()["dask"]("tcp://127.0.0.1:1", 2)


class Client:
    """Answers as Dask's does: workers by address, with their environments and resources."""

    def __init__(self, **environments: Any) -> None:
        self._environments = {f"tcp://{name}": known for name, known in environments.items()}
        self.resources: dict[str, dict[str, float]] = {}

    def run(self, function: Any, *, on_error: str) -> dict[str, Any]:
        assert (function, on_error) == (environment, "return")
        return self._environments

    def scheduler_info(self, *, n_workers: int) -> dict[str, Any]:
        assert n_workers == -1
        return {"workers": {address: {"resources": self.resources.get(address, {})} for address in self._environments}}


def test_workers_with_other_packages_are_left_out_and_named() -> None:
    here = environment()
    older = dataclasses.replace(here, packages={**here.packages, "onnxruntime": "1.0"})
    found = DaskCluster(Client(one=here, two=older, three=ModuleNotFoundError("No module named 'compress_onnx'")))
    found.leave_out_others()
    assert list(found.unfit) == ["tcp://two", "tcp://three"]
    assert (
        found.unfit["tcp://two"] == f"Expected onnxruntime {here.packages['onnxruntime']}, as the client has, got 1.0."
    )
    assert "got ModuleNotFoundError: No module named 'compress_onnx'" in found.unfit["tcp://three"]
    assert found.exclude("tcp://one", "no data") is False


def test_without_a_worker_that_will_do_nothing_begins() -> None:
    with pytest.raises(OptionError, match=r"a worker with this client's packages, got tcp://one: Expected .*KeyError"):
        DaskCluster(Client(one=KeyError("x"))).leave_out_others()
    with pytest.raises(OptionError, match="got no worker at all"):
        DaskCluster(Client()).leave_out_others()


def test_only_workers_that_say_so_are_timed_on() -> None:
    client = Client(one=environment(), two=environment())
    found = DaskCluster(client)
    with pytest.raises(OptionError, match=r"a worker with the resource latency.*got none of 2"):
        found.expect_timing()
    client.resources["tcp://two"] = {"latency": 1}
    found.expect_timing()
    with found.timing() as alone:
        assert alone.slots == 1
    assert unlike(environment().packages, environment()) == ""
