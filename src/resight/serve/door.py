"""The door: what is checked of every request before anything is done for it, and told with every answer."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resight.serve.limits import Rate
from resight.serve.measures import Measures
from resight.serve.problems import Problem, problem_response
from resight.serve.security import HEADERS, Guard, User
from resight.serve.settings import Settings

__all__ = ["Door"]

_OPEN = ("/enter", "/login", "/v1/health")
"""What is answered to anybody who is let in at the door."""
_FORM_BYTES = 1_000_000


class Door:
    """An ASGI application around the service.

    Host, rate, number of requests under way, session, origin and size are looked at in this order; what is refused
    costs next to nothing. The user stands in the request's state afterwards.

    Args:
        app: the service.
        guard: sessions and tokens.
        settings: limits.
        measures: counts what passes.
    """

    def __init__(self, app: ASGIApp, guard: Guard, settings: Settings, measures: Measures) -> None:
        self._app, self._guard, self._settings, self._measures = app, guard, settings, measures
        self._rate = Rate(settings.rate_per_s, settings.burst)
        self._n_under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or say why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), [500]

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]
                _tell(message, scope["path"])
            await send(message)

        self._n_under_way += 1
        self._measures.under_way.set(self._n_under_way)
        try:
            self._check(scope)
            await self._app(scope, self._bounded(scope, receive), telling)
        except Problem as problem:
            await _said(problem, HTTPConnection(scope))(scope, receive, telling)
        finally:
            self._n_under_way -= 1
            self._measures.under_way.set(self._n_under_way)
            self._measures.answered(scope, status[0], time.perf_counter() - began)

    def _check(self, scope: Scope) -> None:
        connection, path = HTTPConnection(scope), scope["path"]
        self._guard.check_host(connection)
        if self._n_under_way > self._settings.n_requests:
            raise Problem(503, "expected a free place, found too many requests under way", {"Retry-After": "1"})
        address = scope["client"][0] if scope.get("client") else ""
        user: User | None = None
        if path not in _OPEN and not path.startswith("/static/"):
            try:
                user = self._guard.user(connection)
            except Problem:
                self._slow_down(f"nobody at {address}")
                raise
        self._slow_down(f"{address} {'' if user is None else user.name}")
        self._guard.check_origin(connection, scope["method"], user)
        scope.setdefault("state", {})["user"] = user
        n_bytes = connection.headers.get("content-length", "0")
        if n_bytes.isdigit() and int(n_bytes) > self._n_bytes(path):
            raise _too_large(self._n_bytes(path))

    def _slow_down(self, whom: str) -> None:
        wait_s = self._rate.wait_s(whom)
        if wait_s:
            raise Problem(
                429, f"expected fewer requests, found too many: wait {wait_s} s", {"Retry-After": f"{wait_s}"}
            )

    def _n_bytes(self, path: str) -> int:
        one = self._settings.max_file_bytes
        sizes = {"/v1/identify": one + _FORM_BYTES, "/v1/jobs": self._settings.max_upload_bytes}
        return sizes.get(path, self._settings.max_body_bytes)

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """What is received, up to the limit: a length that was promised is not believed."""
        left = [self._n_bytes(scope["path"])]

        async def counted() -> MutableMapping[str, Any]:
            message = await receive()
            left[0] -= len(message.get("body", b""))
            if left[0] < 0:
                raise _too_large(self._n_bytes(scope["path"]))
            return message

        return counted


def _said(problem: Problem, connection: HTTPConnection) -> Response:
    """The problem; of a browser that nobody let in yet, the page that says how to come in."""
    if problem.status_code == 401 and "text/html" in connection.headers.get("accept", ""):
        return RedirectResponse("/login", 303)
    return problem_response(problem.status_code, problem.detail, problem.headers, **problem.more)


def _too_large(n_bytes: int) -> Problem:
    return Problem(413, f"expected at most {n_bytes:,} bytes, found more: send fewer or smaller photos")


def _tell(message: Message, path: str) -> None:
    """Further headers of an answer."""
    headers = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
    known = {name for name, _ in message["headers"]}
    if b"cache-control" not in known:
        headers.append((b"cache-control", b"no-cache" if path.startswith("/static/") else b"no-store"))
    message["headers"] = [*message["headers"], *headers]
