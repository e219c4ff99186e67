"""Cells on a Dask cluster: the only module that knows Dask.

Workers need this package in the client's versions and the data; everything else travels. One thread per worker is
best (``dask worker ADDRESS --nthreads 1``); a worker on which files may be timed is alone on its machine and says so
with ``--resources latency=1``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

from compress_onnx.errors import OptionError
from compress_onnx.extras import require_extra
from compress_onnx.records import Environment
from compress_onnx.runtime import environment
from compress_onnx.study.execute.tasks import UnfitWorkerError, WorkerRequirements, worker_name

T = TypeVar("T")

RESOURCE = "latency"
# A scheduler in reach answers within milliseconds.
_TIMEOUT_S = 5


class DaskCluster(Executor):
    """A client of a scheduler; a worker that dies gives its cells to others, which is Dask's own doing."""

    shares_files = False

    def __init__(self, client: Any, *, resources: dict[str, float] | None = None, slots: int | None = None) -> None:
        # Dask ships no type information.
        self._client = client
        self.slots = slots
        self._resources = resources
        self.unfit: dict[str, str] = {}

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Submit to any worker that is not excluded."""
        wanted: dict[str, Any] = {"pure": False}
        if self.unfit:
            wanted |= {"workers": self._fit(), "allow_other_workers": False}
        if self._resources:
            wanted["resources"] = self._resources
        future: Future[T] = self._client.get_executor(**wanted).submit(_named, fn, *args, **kwargs)
        return future

    def leave_out_others(self) -> None:
        """Exclude the workers that have other packages than this process.

        Errors
        ------
        OptionError
            if no worker is left.
        """
        here = environment().packages
        environments: dict[str, Any] = self._client.run(environment, on_error="return")
        for worker, there in environments.items():
            reason = unlike(here, there)
            if reason:
                self.exclude(worker, reason)
        if not self._fit():
            raise OptionError(
                "a worker with this client's packages",
                "; ".join(f"{worker}: {reason}" for worker, reason in self.unfit.items()) or "no worker at all",
                remedy="Start one with: dask worker ADDRESS --nthreads 1.",
            )

    def exclude(self, worker: str, reason: str) -> bool:
        """Give a worker nothing more, and tell whether another is left."""
        self.unfit[worker] = reason
        return bool(self._fit())

    def _fit(self) -> list[str]:
        return [address for address in self._workers() if address not in self.unfit]

    def _workers(self) -> dict[str, Any]:
        workers: dict[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        return workers

    def _timers(self) -> list[str]:
        return [name for name, there in self._workers().items() if there.get("resources", {}).get(RESOURCE, 0) >= 1]

    def expect_timing(self) -> None:
        """Raise :class:`OptionError` unless a worker may time: better now than after the last cell."""
        if not self._timers():
            raise OptionError(
                f"a worker with the resource {RESOURCE}, since timing wants one alone on its machine",
                f"none of {len(self._workers())}",
                remedy=f"Start one with: dask worker ADDRESS --nthreads 1 --resources {RESOURCE}=1. Or leave "
                "latency out with --no-latency.",
            )

    @contextlib.contextmanager
    def timing(self) -> Iterator[DaskCluster]:
        """Yield an executor on the workers that may time, each one file set at a time."""
        alone = DaskCluster(self._client, resources={RESOURCE: 1}, slots=max(1, len(self._timers())))
        alone.unfit = self.unfit
        yield alone

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002  # the base class's
        """Leave the cluster; what is still running is given up."""
        del wait, cancel_futures
        self._client.close()


def open_cluster(address: str, workers: int | None, /) -> DaskCluster:
    """Connect to the scheduler at ``address``, such as ``tcp://host:8786``.

    Errors
    ------
    MissingExtraError
        without the extra ``cluster``.
    OptionError
        if the scheduler cannot be reached within seconds or has no worker, or if ``workers`` is given.
    """
    if workers is not None:
        raise OptionError("--workers without a cluster, which has its own", str(workers), where=address)
    require_extra("cluster", command="compress-onnx study --cluster")
    try:
        client = _connected(address)
    except (OSError, ValueError) as error:
        raise OptionError(
            "a Dask scheduler that answers",
            str(error),
            where=address or "no address",
            remedy="Start one with: dask scheduler. Then give --cluster the address it prints.",
        ) from error
    cluster = DaskCluster(client)
    try:
        cluster.leave_out_others()
    except BaseException:
        cluster.shutdown()
        raise
    return cluster


def _connected(address: str) -> Any:
    import distributed
    from distributed.comm.addressing import get_address_host_port

    # A client of a scheme that Dask does not know fails again, with a traceback, when it is forgotten.
    get_address_host_port(address)
    client_class: Any = distributed.Client
    return client_class(address, timeout=_TIMEOUT_S, set_as_default=False)


def unlike(here: dict[str, str], there: Environment | BaseException) -> str:
    """Say which packages of a worker are unlike the client's; nothing where all are alike.

    >>> unlike({"onnx": "1.23"}, ModuleNotFoundError("No module named 'onnx'"))
    "Expected onnx 1.23, got ModuleNotFoundError: No module named 'onnx'."
    """
    if isinstance(there, BaseException):
        named = " and ".join(f"{name} {version}" for name, version in here.items())
        return str(UnfitWorkerError(named, f"{type(there).__name__}: {there}"))
    try:
        WorkerRequirements(packages=here, data={}).check(there.packages)
    except UnfitWorkerError as error:
        return str(error)
    return ""


def _named(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call a function on a worker that knows its own name."""
    from distributed import get_worker

    worker_name.set(str(get_worker().address))
    return function(*args, **kwargs)
