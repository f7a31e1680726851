"""The machine: what of it this process may use, and how workers share it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition
from typing import TypeVar

__all__ = ["MAX_PIXELS_IN_HAND", "PixelBudget", "in_order", "usable_cores"]

MAX_PIXELS_IN_HAND = 160_000_000
"""How many pixels the workers of a run decode side by side; a larger photo goes alone."""

_Row = TypeVar("_Row")
_Outcome = TypeVar("_Outcome")


def usable_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class PixelBudget:
    """A number of pixels that workers share: who would go beyond it waits until others are done.

    A photo that is larger than the whole budget goes alone.

    Args:
        n_pixels: that may be in hand at one time.
    """

    def __init__(self, n_pixels: int) -> None:
        self._n_pixels = n_pixels
        self._n_taken = 0
        self._freed = Condition()

    @contextmanager
    def share(self, n_pixels: int) -> Iterator[None]:
        """Hold so many pixels for as long as the block runs."""
        with self._freed:
            self._freed.wait_for(lambda: not self._n_taken or self._n_taken + n_pixels <= self._n_pixels)
            self._n_taken += n_pixels
        try:
            yield
        finally:
            with self._freed:
                self._n_taken -= n_pixels
                self._freed.notify_all()


def in_order(
    work: Callable[[_Row], _Outcome], rows: Iterable[_Row], n_workers: int, *, n_ahead: int, name: str
) -> Generator[_Outcome]:
    """The outcomes of work on several threads, in the order of the rows.

    Args:
        work: what to do with a row.
        rows: taken as they are needed.
        n_workers: rows that are worked on side by side.
        n_ahead: rows that are begun and not yet taken, at most.
        name: what the threads are called.

    Example:
        >>> list(in_order(abs, [-2, 1, -3], 2, n_ahead=4, name="example"))
        [2, 1, 3]
    """
    pool = ThreadPoolExecutor(n_workers, thread_name_prefix=name)
    begun: deque[Future[_Outcome]] = deque()
    try:
        for row in rows:
            begun.append(pool.submit(work, row))
            if len(begun) >= n_ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:  # an interrupted run waits for the rows in hand only
        pool.shutdown(wait=True, cancel_futures=True)
