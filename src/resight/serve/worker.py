"""The life of a process that reads photos, and what it can do."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from resight.core import Catalogue
from resight.errors import InputError, ResightError

if TYPE_CHECKING:
    from resight.embed import EmbeddedBatch
    from resight.images import ImageLimits
    from resight.pipeline.review_weigher import Holder, Photos

__all__ = ["answer_tasks"]


def answer_tasks(line: Connection, bundle: Path | None, max_bytes: int, max_pixels: int) -> None:
    """The life of a worker: it says None when it is ready, else why it cannot be, and answers until the line ends."""
    for told in (signal.SIGINT, signal.SIGTERM):  # of all processes of a terminal or a unit: the service says when
        signal.signal(told, signal.SIG_IGN)
    with suppress(EOFError, OSError, KeyboardInterrupt):
        try:
            tasks = _tasks(bundle, max_bytes, max_pixels)
        except Exception as error:  # noqa: BLE001  the service says it in its own words
            line.send(str(error) or type(error).__name__)
            return
        line.send(None)
        while True:
            task, arguments = line.recv()
            try:
                line.send((tasks[task](*arguments), None))
            except ResightError as error:
                line.send((None, error))


def _tasks(bundle: Path | None, max_bytes: int, max_pixels: int) -> dict[str, Callable[..., Any]]:
    from resight.images import ImageLimits, thumbnail
    from resight.pipeline.review_lines import lines_between

    limits = ImageLimits(max_bytes, max_pixels)
    return {
        "embed": _embedder(bundle, limits),
        "picture": partial(thumbnail, limits=limits),
        "lines": partial(lines_between, limits=limits),
        "weigh": _weigher(),
    }


def _embedder(place: Path | None, limits: ImageLimits) -> Callable[..., EmbeddedBatch]:
    from resight.embed import Bundle, embed_all

    bundle = None if place is None else Bundle.load(place, threads=1)

    def embed(folder: Path, row: dict[str, Any]) -> EmbeddedBatch:
        if bundle is None:
            raise InputError("expected a model to embed photos with, found vectors that were made elsewhere")
        return embed_all(Catalogue(pl.DataFrame([row]), folder), bundle, limits=limits, show_progress=False)

    return embed


def _weigher() -> Callable[..., Any]:
    kept: list[Holder] = []

    def weigh(holder: Holder, one: Photos, others: Photos, fitted: str) -> Any:
        if not kept:
            kept.append(holder)  # what it has read stays for the next
        return kept[0](one, others, fitted)

    return weigh
