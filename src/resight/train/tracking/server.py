"""`resight track`: MLflow's pages over a folder of runs, on this machine alone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import IO, Any

from resight.errors import InputError
from resight.train.tracking.files import RUN, TIMINGS, read_figures, read_run, read_timings, rows_of
from resight.train.tracking.mirror import ARTEFACTS, Mirror, address_of, quiet_environment, require_mlflow

__all__ = ["open_tracking", "serving", "sync"]

_LOOPBACK = ("127.0.0.1", "localhost")
_START_S, _STOP_S, _ASK_EVERY_S = 90.0, 10.0, 0.2
_ENDING = signal.SIGTERM


def sync(runs: str | Path) -> int:
    """Tell MLflow in a folder's database of all runs below it, and give back how many were told.

    It may be repeated: what MLflow has already is passed over. A run that is telling it itself is left alone.

    Args:
        runs: the folder that holds the folders of runs.

    Raises:
        MissingExtraError: when MLflow is absent.
        InputError: when there is no such folder, or MLflow cannot be opened.
    """
    require_mlflow()
    root = Path(runs)
    if not root.is_dir():
        raise InputError(f"expected a folder of training runs, found none at {root}")
    return sum(_told(path.parent, root) for path in _records(root))


def open_tracking(
    runs: str | Path, host: str = "127.0.0.1", port: int = 5000, *, say: Callable[[str], None] = lambda _: None
) -> None:
    """Show a folder of runs in MLflow's pages until it is interrupted.

    Args:
        runs: the folder that holds the folders of runs; plain ones are told to MLflow first.
        host: of this machine alone.
        port: that nobody else uses.
        say: takes the address, once it answers.

    Raises:
        MissingExtraError: when MLflow is absent.
        InputError: when there are no runs, the host is not this machine's own, the port is taken, or MLflow does not
            start.
    """
    with serving(runs, host, port) as (address, server):
        say(f"{address} shows the runs in {runs}; Ctrl-C ends it")
        server.wait()


@contextmanager
def serving(
    runs: str | Path, host: str = "127.0.0.1", port: int = 5000
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """MLflow's pages over a folder of runs for as long as the block runs; gives their address and the process.

    Raises:
        MissingExtraError: as for `open_tracking`.
        InputError: likewise.
    """
    _refuse_early(host, port)
    root = Path(runs)
    sync(root)
    if not any(_records(root)) and not (root / "mlflow.db").exists():
        raise InputError(f"expected training runs in {root}, found none: give the folder that holds their folders")
    with tempfile.TemporaryFile() as log, _ended_with_us(_started(root, host, port, log)) as server:
        address = f"http://{host}:{port}"
        _await(server, f"{address}/health", log)
        yield address, server


def _records(root: Path) -> list[Path]:
    """Where the runs below a folder say what they are; MLflow's own copies are none."""
    return sorted(path for path in root.rglob(RUN) if ARTEFACTS not in path.relative_to(root).parts)


def _told(folder: Path, root: Path) -> bool:
    """Tell MLflow all of a run; whether there was something to tell."""
    record = read_run(folder)
    own = record.get("mlflow") or {}
    running = record["state"] == "running"
    if running and own.get("address") == address_of(root):
        return False
    mirror = Mirror.open(root, record, folder)
    began_ms = int(datetime.fromisoformat(record["started"]).timestamp() * 1000)
    if not running and mirror.has_all_of(record):
        return False
    mirror.figures(rows_of(read_figures(folder)), began_ms)
    if (folder / TIMINGS).exists():
        timings = rows_of(read_timings(folder))
        mirror.figures(((f"timing/{name}", value, step) for name, value, step in timings), began_ms)
    mirror.flush()
    for name in [RUN, "figures.csv", *record["artefacts"]]:
        mirror.artefact(folder / name)
    if not running:
        mirror.end(record)
    return True


def _refuse_early(host: str, port: int) -> None:
    if host not in _LOOPBACK:
        raise InputError(
            f"expected a host of this machine alone, {' or '.join(_LOOPBACK)}, found '{host}': MLflow's pages ask "
            f"nobody who they are; from elsewhere reach them by  ssh -L {port}:127.0.0.1:{port}"
        )
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise InputError(f"expected a port that is free, found {port}: try  --port {port + 1}") from error


def _started(root: Path, host: str, port: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
    where = ["--backend-store-uri", address_of(root), "--default-artifact-root", (root.resolve() / ARTEFACTS).as_uri()]
    return subprocess.Popen(  # noqa: S603  our own interpreter and words
        [sys.executable, "-m", "mlflow", "ui", *where, "--host", host, "--port", str(port), "--workers", "1"],
        env={**os.environ, **quiet_environment()},
        stdout=log,
        stderr=subprocess.STDOUT,
    )


@contextmanager
def _ended_with_us(server: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """However the block is left, the server ends, too; also when the system asks this process to end."""
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(_ENDING, _leave) if in_main else None
    try:
        yield server
    finally:
        server.terminate()
        try:
            server.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        if in_main:
            signal.signal(_ENDING, before)


def _leave(_: int, __: FrameType | None) -> Any:
    raise KeyboardInterrupt


def _await(server: subprocess.Popen[bytes], question: str, log: IO[bytes]) -> None:
    """Wait until the server answers."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy stands before this machine
    until = time.monotonic() + _START_S
    while server.poll() is None and time.monotonic() < until:
        try:
            with direct.open(question, timeout=2):
                return
        except OSError:
            time.sleep(_ASK_EVERY_S)
    log.seek(0)
    said = log.read().decode("utf-8", "replace").strip().splitlines()
    raise InputError(f"expected MLflow's pages to start, found: {said[-1] if said else 'no answer'}")
