"""A folder that one process works in at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from resight.errors import InputError

__all__ = ["alone"]


@contextmanager
def alone(folder: Path, lock: str, what: str) -> Iterator[None]:
    """Only one process does this in a folder; the system lets go of the lock when it is killed.

    Args:
        folder: is there.
        lock: name of the file that is locked.
        what: is done, for the sentence: "tunes".

    Raises:
        InputError: when another process does, or the file cannot be opened.
    """
    try:
        holder = sqlite3.connect(folder / lock, timeout=0, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise InputError(f"expected to write to {folder}, found: {error}") from error
    with closing(holder):
        try:
            holder.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise InputError(
                f"expected {folder} for this process alone, found another one that {what} in it"
            ) from error
        yield
