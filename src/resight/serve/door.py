"""The door: what is checked of every request before anything is done for it, and told with every answer."""

from __future__ import annotations

import time
from asyncio import wait_for
from collections import Counter
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resight.serve.limits import Rate
from resight.serve.measures import Measures
from resight.serve.problems import Problem, problem_response
from resight.serve.security import HEADERS, Guard, User
from resight.serve.settings import Settings

__all__ = ["Door"]

_HEALTH = "/v1/health"
_OPEN = ("/enter", "/login", _HEALTH)
"""What is answered to anybody who is let in at the door."""
_ALPHABETS = ("utf-8", "utf8", "us-ascii", "iso-8859-1")
_ENTRANCES = ("/enter", "/login")
_FORM_BYTES = 1_000_000
_LONGEST_LENGTH = 18
_N_STREAMS = 16
_LATER = {"Retry-After": "1"}
_PER_S, _AT_ONCE = 10 / 60, 10
"""Tries to come in, of one address: ten, and ten per minute."""
_FAILED = "expected an answer, found that the service failed: try again, and look into its log"
_PART_S = 30.0
"""How long the next part of a request may take: a place is not held for who went away."""


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
        self._tries = Rate(_PER_S, _AT_ONCE)
        self._n_under_way = 0
        self._n_streams: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or say why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD" and scope["path"] not in _ENTRANCES:
            scope = {**scope, "method": "GET"}  # the server leaves the body out
        began, answer = time.perf_counter(), _Answer(scope, send)
        self._n_under_way += 1
        self._measures.under_way.set(self._n_under_way)
        try:
            await self._answered(scope, receive, answer)
        finally:
            self._n_under_way -= 1
            self._measures.under_way.set(self._n_under_way)
            self._measures.answered(scope, answer.status, time.perf_counter() - began)

    async def _answered(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            user = self._check(scope)
            async with self._stream(scope["path"], user):
                await self._app(scope, self._bounded(scope, receive), answer)
        except Problem as problem:
            await _said(problem, HTTPConnection(scope))(scope, receive, answer)
        except ClientDisconnect:
            answer.status = 400  # nobody is there to be told
        except Exception:
            if not answer.has_begun:
                await problem_response(500, _FAILED)(scope, receive, answer)
            raise  # the server writes it into its log

    @asynccontextmanager
    async def _stream(self, path: str, user: User | None) -> AsyncIterator[None]:
        """Streams hold their places for long: each user has a few."""
        if user is None or not path.endswith("/events"):
            yield
            return
        if self._n_streams[user.name] >= _N_STREAMS:
            raise Problem(429, f"expected at most {_N_STREAMS} streams of one user, found more: close some", _LATER)
        self._n_streams[user.name] += 1
        try:
            yield
        finally:
            self._n_streams[user.name] -= 1

    def _check(self, scope: Scope) -> User | None:
        connection, path = HTTPConnection(scope), scope["path"]
        self._guard.check_host(connection)
        if self._n_under_way > self._settings.n_requests and path != _HEALTH:
            raise Problem(503, "expected a free place, found too many requests under way: wait 1 s", _LATER)
        address = scope["client"][0] if scope.get("client") else ""
        user: User | None = None
        if path in _ENTRANCES and (path, scope["method"]) != ("/login", "GET"):
            self._slow_down(address, self._tries)
        if path not in _OPEN and not path.startswith("/static/"):
            try:
                user = self._guard.user(connection)
            except Problem:
                self._slow_down(f"nobody at {address}")
                raise
        self._slow_down(f"{address} {'' if user is None else user.name}")
        self._guard.check_origin(connection, scope["method"], user)
        scope.setdefault("state", {})["user"] = user
        _check_alphabet(connection)
        n_bytes = connection.headers.get("content-length", "0")
        if n_bytes.isdecimal() and (len(n_bytes) > _LONGEST_LENGTH or int(n_bytes) > self._n_bytes(path)):
            raise _too_large(self._n_bytes(path))
        return user

    def _slow_down(self, whom: str, rate: Rate | None = None) -> None:
        wait_s = (rate or self._rate).wait_s(whom)
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
        left, is_whole = self._n_bytes(scope["path"]), False

        async def counted() -> MutableMapping[str, Any]:
            nonlocal left, is_whole
            try:
                message = await (receive() if is_whole else wait_for(receive(), _PART_S))
            except TimeoutError:
                raise Problem(408, f"expected the rest within {_PART_S:g} s, found nothing: send it again") from None
            is_whole = not message.get("more_body", False)
            left -= len(message.get("body", b""))
            if left < 0:
                raise _too_large(self._n_bytes(scope["path"]))
            return message

        return counted


def _check_alphabet(connection: HTTPConnection) -> None:
    """Refuse a form in whatever Python can decode: some of it makes text that nothing can write."""
    _, options = parse_options_header(connection.headers.get("content-type"))
    alphabet = options.get(b"charset", b"utf-8").decode("latin-1")
    if alphabet.lower() not in _ALPHABETS:
        raise Problem(415, f"expected text in UTF-8, found charset={alphabet[:40]}: send it as UTF-8")


def _said(problem: Problem, connection: HTTPConnection) -> Response:
    """The problem; of a browser that nobody let in yet, the page that says how to come in."""
    if problem.status_code == 401 and "text/html" in connection.headers.get("accept", ""):
        return RedirectResponse("/login", 303)
    return problem_response(problem.status_code, problem.detail, problem.headers, **problem.more)


def _too_large(n_bytes: int) -> Problem:
    return Problem(413, f"expected at most {n_bytes:,} bytes, found more: send fewer or smaller photos")


class _Answer:
    """What is sent, with the headers of every answer.

    Args:
        scope: of the request.
        send: takes it.
    """

    def __init__(self, scope: Scope, send: Send) -> None:
        self._path, self._send = scope["path"], send
        self.status, self.has_begun = 500, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.has_begun = message["status"], True
            headers = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
            if b"cache-control" not in {name for name, _ in message["headers"]}:
                kept = b"no-cache" if self._path.startswith("/static/") else b"no-store"
                headers.append((b"cache-control", kept))
            message["headers"] = [*message["headers"], *headers]
        await self._send(message)
