"""What is counted, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import Scope

__all__ = ["Measures"]


class Measures:
    """The measures of one service; routes are named by their pattern, so that their number is bounded."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "resight_answers", "Requests that were answered.", ["route", "status"], registry=self._registry
        )
        self._seconds = Histogram("resight_seconds", "How long an answer took.", ["route"], registry=self._registry)
        self.under_way = Gauge("resight_requests_under_way", "Requests in hand.", registry=self._registry)
        self.restarts = Gauge("resight_worker_restarts", "Workers that were replaced.", registry=self._registry)

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """Count an answer."""
        route = getattr(scope.get("route"), "path", "none")
        self._answers.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """As Prometheus reads it."""
        return generate_latest(self._registry)
