"""A cluster of Dask, which computes what threads would."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pullfactory.errors import RunError, StudyError
from pullfactory.results.workplace import lent_folder
from pullfactory.runs.execution import require_workers

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "local"
"""The address of a cluster that is started here, and ends with its use."""

_PREFIX = "pullfactory-dask-"
_PATIENCE = 30  # seconds until a scheduler has answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Workers somewhere.

    Attributes:
        executor: Computes there.
        count: How many workers there are now; asks the scheduler.
    """

    executor: Executor
    count: Callable[[], int]


@contextmanager
def cluster_at(address: str, workers: int | None = None) -> Iterator[Cluster]:
    """Use a cluster of Dask; needs the extra `dask`.

    Args:
        address: Of its scheduler, such as tcp://host:8786; or `local`, for processes on this
            machine that end with the context.
        workers: How many processes, if local; None for one per processor.

    Raises:
        StudyError: If the extra is not installed, or workers are given for a cluster that has its
            own.
        RunError: If no scheduler answers.
    """
    n_workers = require_workers(None, workers)
    if address != LOCAL and workers is not None:
        raise StudyError(
            f"workers = {workers}, but the cluster at {address!r:.80} has its own; leave it out"
        )
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise StudyError(
            f"a cluster needs distributed ({error}); run pip install 'pullfactory[dask]'"
        ) from None
    with _quiet(), _started(n_workers) if address == LOCAL else _connected(address) as client:
        yield _of(client)


@contextmanager
def _started(n_workers: int) -> "Iterator[Client]":
    """A cluster of processes here, whose files are in a folder that goes with it."""
    import dask
    import distributed

    with (
        lent_folder(_PREFIX) as folder,
        dask.config.set({"temporary-directory": folder and str(folder)}),
        distributed.LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@contextmanager
def _connected(address: str) -> "Iterator[Client]":
    import distributed

    try:
        client = distributed.Client(address, timeout=_PATIENCE)
    except (OSError, ValueError, TimeoutError) as error:
        said = " ".join(str(error).split())[:120]
        raise RunError(
            f"no scheduler of Dask answers at {address!r:.80} ({said}); give its address, such as "
            "tcp://host:8786, or 'local'"
        ) from None
    with client:
        yield client


def _of(client: "Client") -> Cluster:
    def count() -> int:
        try:
            return len(client.nthreads())
        except OSError:  # the scheduler is gone, which its tasks tell
            return 0

    return Cluster(executor=client.get_executor(), count=count)


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask tells what it does where nobody reads it: workers that end are no news."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
