"""Calls to Milvus: asked again while the server is away, and refused in a sentence when it stays away."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from resight.errors import InputError, MissingExtraError, StoreError

TOKEN_VARIABLE = "RESIGHT_MILVUS_TOKEN"  # noqa: S105  the name of a variable, not what it holds
"""The environment variable that holds the token of a server; it stands in no file and in no message."""

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 5.0
_LONGEST_REASON = 200
_SERVER = re.compile(r"(?:https?|tcp)://(?P<secret>[^/@]*@)?[^/@]+.*|unix:.+")
_PASSING = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN", "INTERNAL", "ABORTED"}
_NOT_OPENED = "Open local milvus failed"
_T = TypeVar("_T")


class MilvusConnection:
    """One server of Milvus, or a folder of Milvus Lite, that may go away and come back.

    A call that fails because the server is away is made again, with growing pauses and over a new
    connection, until `patience_s` have passed. So whatever is asked must be harmless when done twice.

    Args:
        uri: `http://host:19530` (https, tcp, unix) of a server, or a path that ends in `.db` for Milvus
            Lite, which runs in this process. The token of a server is taken from the environment
            variable `RESIGHT_MILVUS_TOKEN`.
        patience_s: seconds that one call may take, all attempts together.
        attempt_s: seconds that one attempt may take.

    Raises:
        InputError: when the address is of neither form, holds a password, or a time is not positive.
        MissingExtraError: when pymilvus is not installed.
    """

    def __init__(self, uri: str, *, patience_s: float = 60.0, attempt_s: float = 20.0) -> None:
        for name, value in (("patience_s", patience_s), ("attempt_s", attempt_s)):
            if not value > 0:
                raise InputError(f"expected {name} above 0, found {value}")
        self.uri = _checked_uri(uri)
        self.is_local = not _SERVER.fullmatch(self.uri)
        self._patience_s = patience_s
        self._attempt_s = attempt_s
        self._client: Any = None
        self._milvus = _library()

    def ask(self, call: Callable[[Any, float], _T]) -> _T:
        """The answer to a call, which is made again while the server is away.

        Args:
            call: takes the client of pymilvus and the seconds that it may take.

        Raises:
            StoreError: when the server stays away, or refuses.
        """
        started, pause, n_tries = time.monotonic(), _FIRST_PAUSE_S, 0
        while True:
            left = self._patience_s - (time.monotonic() - started)
            try:
                n_tries += 1
                return self._attempt(call, max(0.1, min(left, self._attempt_s)))
            except Exception as error:
                if not self._knows(error):
                    raise
                self.close()
                if not _passes(error):
                    raise self._refused(error) from None
                if time.monotonic() - started + pause > self._patience_s:
                    raise self._away(n_tries, error) from None
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def close(self) -> None:
        """Let the connection go; the next call makes a new one."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def end(self) -> None:
        """Close, and stop the Milvus Lite of this process that serves the folder."""
        self.close()
        if self.is_local:
            import_module("milvus_lite.server_manager").server_manager_instance.release_server(self.uri)

    def _attempt(self, call: Callable[[Any, float], _T], seconds: float) -> _T:
        if self._client is None:
            token = "" if self.is_local else os.environ.get(TOKEN_VARIABLE, "")
            self._client = self._milvus.MilvusClient(self.uri, token=token, timeout=seconds, dedicated=True)
        return call(self._client, seconds)

    def _knows(self, error: Exception) -> bool:
        grpc = import_module("grpc")
        return isinstance(error, self._milvus.MilvusException | grpc.RpcError | grpc.FutureTimeoutError)

    def _refused(self, error: Exception) -> StoreError:
        if self.is_local and self._client is None and _NOT_OPENED in _reason(error):
            return StoreError(
                f"expected to open the folder of Milvus Lite {self.uri}, found it in use by another process, or "
                "broken: end that process, or start a server for both"
            )
        return StoreError(f"expected Milvus at {self.uri} to answer, found: {_reason(error)}")

    def _away(self, n_tries: int, error: Exception) -> StoreError:
        return StoreError(
            f"expected an answer from Milvus at {self.uri} within {self._patience_s:g} s, found none in {n_tries} "
            f"tries ({_reason(error)}): what was written is kept; start the server and run the same command again"
        )


def _passes(error: Exception) -> bool:
    """Whether the same call may succeed later."""
    code = getattr(error, "code", None)
    name = getattr(code() if callable(code) else code, "name", None)
    if name in _PASSING or getattr(error, "retriable", False):
        return True
    message = str(getattr(error, "message", ""))
    signs = ("Retry timeout", "Retry run out", "closed channel", "Fail connecting", "server unavailable")
    return type(error).__name__ in {"ConnectError", "MilvusUnavailableException", "FutureTimeoutError"} or any(
        sign in message for sign in signs
    )


def _reason(error: Exception) -> str:
    """One line of what the library says, without the token should the server have repeated it."""
    details = getattr(error, "details", None)
    said = getattr(error, "message", None) or (details() if callable(details) else None) or type(error).__name__
    token = os.environ.get(TOKEN_VARIABLE)
    plain = " ".join(str(said).split())
    return (plain.replace(token, "***") if token else plain)[:_LONGEST_REASON]


def _checked_uri(uri: str) -> str:
    found = _SERVER.fullmatch(uri)
    if found is not None and found["secret"]:
        raise InputError(
            "expected the address of a Milvus server without a name or password in it, found one before the '@': "
            f"put  user:password  into the environment variable {TOKEN_VARIABLE}"
        )
    if found is None and (not uri.endswith(".db") or "://" in uri):
        raise InputError(
            f"expected the address of a Milvus server (http://host:19530) or a path that ends in .db, found '{uri}'"
        )
    return uri if found is not None else str(Path(uri).absolute())


def _library() -> Any:
    try:
        library = import_module("pymilvus")
    except ImportError as error:
        raise MissingExtraError("pymilvus", "scale", "search with Milvus") from error
    # Every failure comes as an exception; the library would log it too, with a page of its own code.
    for name in ("pymilvus", "milvus_lite"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return library
