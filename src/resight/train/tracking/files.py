"""The plain files of a run: figures as CSV, one line each, and what the run was as JSON.

A figure is written to the file before the next one is taken, so that a run that is killed loses a line at most.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from resight.errors import InputError

__all__ = [
    "CHECKPOINTS",
    "FIGURES",
    "RUN",
    "TIMINGS",
    "FigureFile",
    "plain",
    "read_figures",
    "read_run",
    "read_timings",
    "write_run",
]

FIGURES = "figures.csv"
TIMINGS = "timings.csv"
RUN = "run.json"
CHECKPOINTS = "checkpoints"

_SCHEMA = {"stage": pl.String, "epoch": pl.Int64, "step": pl.Int64, "name": pl.String, "value": pl.Float64}
_STEP = list(_SCHEMA).index("step")
_FORMAT = 1


class FigureFile:
    """Figures in long format: stage, epoch, step, name, value.

    A half line at the end, as a killed run leaves it, is dropped when the file is opened again.

    Args:
        path: the file; made when it is not there.

    Raises:
        InputError: when something else lies there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        content = path.read_bytes() if path.exists() else b""
        head = _line(_SCHEMA)
        if not (content.startswith(head) or head.startswith(content)):
            raise InputError(f"expected figures of a run in {path}, found something else: give another folder")
        lines = _whole(content) or head
        if lines != content:
            _replace(path, lines)
        self._open()

    def add(self, values: Mapping[str, float], *, stage: str, epoch: int, step: int) -> None:
        """Append a line per figure."""
        for name, value in values.items():
            self._file.write(_line((stage, epoch, step, name, float(value))))

    def rewind(self, step: int) -> None:
        """Drop what came after a step; the file is whole at any time."""
        text = io.StringIO(_whole(self.path.read_bytes()).decode("utf-8"), newline="")
        head, *rows = csv.reader(text)
        kept = [head, *(row for row in rows if int(row[_STEP]) <= step)]
        self.close()
        _replace(self.path, b"".join(map(_line, kept)))
        self._open()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _open(self) -> None:
        self._file = self.path.open("ab", buffering=0)


def read_figures(folder: str | Path) -> pl.DataFrame:
    """The figures of a run in the order in which they came: stage, epoch, step, name, value.

    A run may be at work meanwhile.

    Raises:
        InputError: when there are none.
    """
    return _read(Path(folder) / FIGURES)


def read_timings(folder: str | Path) -> pl.DataFrame:
    """What took how long in a run; columns as those of `read_figures`, and each name says its unit.

    A network tells of each epoch the seconds of its steps ("training s") and of its judgement ("judging s"), and
    "photos per second" of the steps. What was lost by a kill, and done again, counts once.

    Raises:
        InputError: when there are none.
    """
    return _read(Path(folder) / TIMINGS)


def read_run(folder: str | Path) -> dict[str, Any]:
    """What a run was: name, state, parameters, versions, hardware, start and end, result.

    The state is "running", "finished", "failed" or "interrupted"; a run that was killed says "running" still.

    Raises:
        InputError: when there is no run, or of a newer format.
    """
    path = Path(folder) / RUN
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"expected a training run in {folder}, found no {RUN}: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"expected a training run in {path}, found no JSON: {error}") from error
    found = record.get("resight_run") if isinstance(record, dict) else None
    if not isinstance(record, dict) or found != _FORMAT:
        raise InputError(f"expected a run of format {_FORMAT} in {path}, found {found}: take the resight that wrote it")
    return record


def write_run(folder: Path, record: Mapping[str, Any]) -> None:
    """Write what a run is; the file is there as a whole or as it was."""
    text = json.dumps(plain({"resight_run": _FORMAT, **record}), indent=2, ensure_ascii=False, allow_nan=False)
    _replace(folder / RUN, text.encode("utf-8", "backslashreplace"))


def plain(value: Any) -> Any:
    """A value as JSON can hold it: no NaN, numbers of libraries as numbers, all else as text.

    Example:
        >>> plain({"a": (1, float("nan")), "b": Path("x")})
        {'a': [1, None], 'b': 'x'}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if hasattr(value, "item") and not getattr(value, "shape", ()):  # a number of numpy or torch
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def rows_of(frame: pl.DataFrame) -> Iterator[tuple[str, float, int]]:
    """Name, value and step of each figure."""
    yield from frame.select("name", "value", "step").iter_rows()


def _read(path: Path) -> pl.DataFrame:
    lines = _whole(path.read_bytes()) if path.is_file() else b""
    if not lines:
        raise InputError(f"expected figures of a training run in {path}, found none")
    try:
        frame = pl.read_csv(io.BytesIO(lines), schema={**_SCHEMA, "value": pl.String})
        return frame.with_columns(pl.col("value").cast(pl.Float64))
    except pl.exceptions.PolarsError as error:
        raise InputError(f"expected figures of a training run in {path}, found other lines: {error}") from error


def _whole(content: bytes) -> bytes:
    """All up to the last line end."""
    return content[: content.rfind(b"\n") + 1]


def _line(cells: Any) -> bytes:
    """A line of CSV. A line break in a cell becomes a space: a line is a figure, and half a line is none."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(
        [" ".join(cell.splitlines()) if isinstance(cell, str) else cell for cell in cells]
    )
    return text.getvalue().encode("utf-8", "backslashreplace")


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
