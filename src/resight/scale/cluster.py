"""Ray: one that runs already, or one that is started for a run and ended with it."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from resight.errors import MissingExtraError, StoreError

__all__ = ["ADDRESS_VARIABLE", "connected", "require_ray"]

ADDRESS_VARIABLE = "RAY_ADDRESS"
"""The environment variable that names a cluster, as Ray itself reads it."""

_LOCAL = "local"
_PATIENCE_S = 10.0
_OBJECT_STORE_BYTES = 100_000_000  # what travels are names of photos and of files
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
_OF_THIS_MACHINE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # makes Ray listen on 127.0.0.1 only, on every system
    "RAY_worker_niceness": "0",  # its workers do the work of this process, and stand where it would
}


def require_ray() -> None:
    """Refuse to go on without Ray, before any work is done.

    Raises:
        MissingExtraError: when it is not installed.
    """
    if find_spec("ray") is None or find_spec("fsspec") is None or find_spec("pyarrow") is None:
        raise MissingExtraError("ray[data]", "scale", "the engine 'ray'")


@contextmanager
def connected(address: str | None, n_cpus: int, gpus: float = 0.0) -> Iterator[Any]:
    """The module `ray.data`, with Ray running; what was started here is ended, what ran before goes on running.

    Args:
        address: of a cluster; None takes that of `RAY_ADDRESS`, else starts Ray on this machine.
        n_cpus: of a Ray that is started here.
        gpus: that a worker needs; some machine must have as many.

    Raises:
        MissingExtraError: when Ray is not installed.
        StoreError: when there is no cluster at that address, Ray does not start, or it has no GPU and one is needed.
    """
    require_ray()
    address = address or os.environ.get(ADDRESS_VARIABLE) or _LOCAL
    for name, value in {**_QUIET, **(_OF_THIS_MACHINE if address == _LOCAL else {})}.items():
        os.environ.setdefault(name, value)
    ray = import_module("ray")
    if ray.is_initialized():
        yield _data(ray, gpus)
        return
    _refuse_nobody(address)
    local = {"num_cpus": n_cpus, "object_store_memory": _OBJECT_STORE_BYTES, "include_dashboard": False}
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **(local if address == _LOCAL else {}))
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        raise _no_ray(address, str(error).strip().splitlines()[0] if str(error) else repr(error)) from error
    try:
        yield _data(ray, gpus)
    finally:
        ray.shutdown()


def _refuse_nobody(address: str) -> None:
    """Ray itself would wait for minutes where nobody listens."""
    host, colon, port = address.rpartition("//")[2].rpartition(":")
    if not (colon and port.isdecimal()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_S).close()
    except OSError as error:
        raise _no_ray(address, error.strerror or str(error)) from error


def _no_ray(address: str, found: str) -> StoreError:
    return StoreError(
        f"expected Ray at '{address}', found: {found}; start it with  ray start --head , or leave the address out"
    )


def _data(ray: Any, gpus: float) -> Any:
    if gpus and not ray.cluster_resources().get("GPU"):  # Ray would wait for one to come
        raise StoreError("expected a machine with a GPU in the Ray cluster, found none: embed without GPUs")
    data = import_module("ray.data")
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what went wrong is told in a sentence
    return data
