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
from compress_onnx.study.execute.tasks import worker_name

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
        self._unfit: dict[str, str] = {}

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Submit to any worker that is not excluded."""
        wanted: dict[str, Any] = {"pure": False}
        if self._unfit:
            wanted |= {"workers": self._fit(), "allow_other_workers": False}
        if self._resources:
            wanted["resources"] = self._resources
        future: Future[T] = self._client.get_executor(**wanted).submit(_named, fn, *args, **kwargs)
        return future

    def exclude(self, worker: str, reason: str) -> bool:
        """Give a worker nothing more, and tell whether another is left."""
        self._unfit[worker] = reason
        return bool(self._fit())

    def _fit(self) -> list[str]:
        return [address for address in self._workers() if address not in self._unfit]

    def _workers(self) -> dict[str, Any]:
        workers: dict[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        return workers

    def _timers(self) -> list[str]:
        return [name for name, known in self._workers().items() if known.get("resources", {}).get(RESOURCE, 0) >= 1]

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
        alone._unfit = self._unfit
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
    import distributed

    client_class: Any = distributed.Client
    try:
        client = client_class(address, timeout=_TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise OptionError(
            "a Dask scheduler that answers",
            f"{type(error).__name__}: {error}",
            where=address or "no address",
            remedy="Start one with: dask scheduler. Then give --cluster the address it prints.",
        ) from error
    return _with_workers(DaskCluster(client), address)


def _with_workers(cluster: DaskCluster, address: str) -> DaskCluster:
    if not cluster._workers():  # noqa: SLF001  # of the class above
        cluster.shutdown()
        raise OptionError(
            "a scheduler with workers", "none", where=address, remedy=f"Start one with: dask worker {address}."
        )
    return cluster


def _named(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call a function on a worker that knows its own name."""
    from distributed import get_worker

    worker_name.set(str(get_worker().address))
    return function(*args, **kwargs)
