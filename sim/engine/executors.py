"""Where replications run: in this process, in a pool of processes, or on a Dask cluster. All of them are Executors."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Job = TypeVar("Job")
Done = TypeVar("Done")
SCHEDULER_ANSWERS_S = 10
"""A scheduler that has not answered by then is not there."""


@contextmanager
def open_executor(workers: int | None = None, cluster: str | None = None) -> Iterator[Executor | None]:
    """An Executor for independent jobs; None means: do them here, one after the other.

    ``workers``: processes of a local pool, default one per CPU that this process may use; 1 is None. ``cluster``: address of a Dask
    scheduler (``tcp://…``), which needs the extra ``tenfold[cluster]``. Leaving the context on an error or Ctrl-C drops what has not
    started. Raises ModuleNotFoundError without the extra, OSError if no scheduler answers.
    """
    if cluster is not None:
        with _dask(cluster) as executor:
            yield executor
        return
    workers = len(os.sched_getaffinity(0)) if workers is None else workers
    if workers <= 1:
        yield None
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_ignore_interrupts)
    try:
        yield pool
    except BaseException:
        let_go(pool)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def in_order(executor: Executor, work: Callable[[Job], Done], jobs: Sequence[Job], at_once: int) -> Iterator[Done]:
    """What each job gives, in their order, like ``executor.map``; no more than ``at_once`` are under way or wait to be taken."""
    waiting: deque[Future[Done]] = deque()
    for job in jobs:
        if len(waiting) >= at_once:
            yield waiting.popleft().result()
        waiting.append(executor.submit(work, job))
    while waiting:
        yield waiting.popleft().result()


@contextmanager
def _dask(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("a Dask cluster needs the extra: pip install 'tenfold[cluster]'") from error
    with Client(address, timeout=SCHEDULER_ANSWERS_S) as client:
        executor = client.get_executor(pure=False)
        try:
            yield executor
        finally:
            executor.shutdown(wait=False)


def let_go(pool: ProcessPoolExecutor) -> None:
    """Do not wait for the rest of a result whose worker was killed while it sent it: the pipe ends once this process does not hold its
    other end either.
    """
    results = getattr(pool, "_result_queue", None)
    if results is not None:
        results._writer.close()


def _ignore_interrupts() -> None:
    """Ctrl-C reaches every process of the terminal; the parent decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
