"""A real PostgreSQL server of our own, for as long as tests or a benchmark need it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PACKAGED = Path("/usr/lib/postgresql")


class NoServerError(RuntimeError):
    """There is no PostgreSQL on this machine."""


@contextmanager
def running_server(*, safe: bool = False) -> Iterator[str]:
    """The URL of an empty database on a server that listens on nothing but a socket, gone afterwards.

    PostgreSQL refuses to run as root: it then runs as `postgres`, or as `nobody`.

    Args:
        safe: wait for the disk at each commit, as a server in use does; else it is quicker.
    """
    as_user, name = _other_user()
    folder = Path(tempfile.mkdtemp(prefix="resight-pg-"))
    try:
        if name:
            shutil.chown(folder, name)
        data = str(folder / "data")
        command = ["-D", data, "-U", "resight", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"]
        _run([*as_user, _binary("initdb"), *command])
        options = f"-k {folder} -c listen_addresses='' -c fsync={'on' if safe else 'off'}"
        control = [*as_user, _binary("pg_ctl"), "-D", data, "-w"]
        _run([*control, "-o", options, "-l", str(folder / "log"), "start"])
        try:
            yield f"postgresql+psycopg://resight@/postgres?host={folder}"
        finally:
            _run([*control, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _other_user() -> tuple[list[str], str | None]:
    if os.geteuid() != 0:
        return [], None
    users = {line.split(":")[0] for line in Path("/etc/passwd").read_text(encoding="utf-8").splitlines()}
    name = "postgres" if "postgres" in users else "nobody"
    return ["runuser", "-u", name, "--"], name


def _binary(name: str) -> str:
    packaged = sorted(_PACKAGED.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    found = str(packaged[-1]) if packaged else shutil.which(name)
    if found is None:
        raise NoServerError(
            f"expected PostgreSQL's {name} below {_PACKAGED} or on the path, found none: run  make postgres"
        )
    return found


def _run(command: list[str]) -> None:
    done = subprocess.run(command, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    if done.returncode:
        raise NoServerError(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}")
