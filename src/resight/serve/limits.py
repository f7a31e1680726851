"""How often somebody may ask; who comes too often is told when to return."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

__all__ = ["Rate"]

_N_KEPT = 10_000


class Rate:
    """A bucket of tokens for each user or address (the classical "token bucket").

    Args:
        per_s: requests per second in the long run.
        burst: requests at once.
        clock: seconds, rising.

    Example:
        >>> rate = Rate(1, 2, clock=lambda: 0.0)
        >>> [rate.wait_s("ann") for _ in range(3)]
        [0, 0, 1]
    """

    def __init__(self, per_s: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def wait_s(self, whom: str) -> int:
        """0 when a request may pass, which counts it; else the whole seconds to wait."""
        now = self._clock()
        with self._lock:
            tokens, then = self._buckets.pop(whom, (float(self._burst), now))
            tokens = min(tokens + (now - then) * self._per_s, self._burst)
            passes = tokens >= 1
            self._buckets[whom] = (tokens - 1 if passes else tokens, now)
            if len(self._buckets) > _N_KEPT:
                self._buckets.popitem(last=False)
        return 0 if passes else max(1, math.ceil((1 - tokens) / self._per_s))
