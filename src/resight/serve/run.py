"""Starting the service, and ending it in order."""

from __future__ import annotations

import asyncio
import math
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from resight.errors import InputError
from resight.search.threads import one_blas_thread
from resight.serve.app import create_app
from resight.serve.parts import Service

__all__ = ["listening", "serve"]

_BACKLOG = 2048
_HEADERS_S = 10.0
_N_FILES = 65_536
"""Files and connections that may be open at once, where the system gives as many."""


class _Impatient(H11Protocol):
    """Closes a connection whose request does not get beyond its headers: a place is not held for who says nothing."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget()
        elif self._late is None:
            self._late = self.loop.call_later(_HEADERS_S, self._close)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _close(self) -> None:
        self._late = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


class _Server(uvicorn.Server):
    """Says that it is about to end before it waits for requests in flight, so that streams end too.

    A signal is how a service is ended: it is not raised again when all is done, so that the exit code is 0.
    """

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, _: FrameType | None) -> None:
        self._service.closing = True
        self.force_exit |= self.should_exit and sig == signal.SIGINT  # the second Ctrl-C waits for nobody
        self.should_exit = True


def listening(host: str, port: int) -> socket.socket:
    """A socket on which the service can listen; port 0 takes a free one.

    Raises:
        InputError: when the address cannot be had.
    """
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(kind, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(_BACKLOG)  # whoever follows the link at once waits, and is not refused
    except OSError as error:
        found.close()
        raise InputError(
            f"expected a free address, found {host}:{port}: {error.strerror or error}; give another --port"
        ) from error
    return found


def serve(service: Service, where: socket.socket, ready: Callable[[], None]) -> None:
    """Answer until a signal asks to end; requests in flight are finished, jobs stop where they can go on.

    Args:
        service: what the routes work with.
        where: a socket that is bound.
        ready: called before the first request is taken.
    """
    config = uvicorn.Config(
        create_app(service),
        log_level="warning",
        access_log=False,
        server_header=False,
        http=_Impatient,
        ws="none",
        timeout_graceful_shutdown=math.ceil(service.settings.grace_s),
        h11_max_incomplete_event_size=64 * 1024,
        limit_concurrency=8 * service.settings.n_requests,
    )
    _allow_files()
    ready()
    with one_blas_thread():  # requests share the cores among them
        _Server(config, service).run(sockets=[where])


def _allow_files() -> None:
    """Ask for as many open files as the system gives: each connection is one, and each photo that is sent."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _N_FILES if hard == resource.RLIM_INFINITY else min(_N_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
