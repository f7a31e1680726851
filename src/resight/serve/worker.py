"""The life of a process that reads photos, and what it can do."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resight.core import Catalogue
from resight.errors import ResightError

if TYPE_CHECKING:
    from resight.pipeline.review_nouns import MatchLines
    from resight.pipeline.review_weigher import Holder, Photos

__all__ = ["answer_tasks"]


def answer_tasks(line: Connection, bundle: str | None, max_bytes: int, max_pixels: int) -> None:
    """The life of a worker: it says None when it is ready, else why it cannot be, and answers until the line ends."""
    for told in (signal.SIGINT, signal.SIGTERM):  # of all processes of a terminal or a unit: the service says when
        signal.signal(told, signal.SIG_IGN)
    from resight.images import ImageLimits

    limits = ImageLimits(max_bytes, max_pixels)
    with suppress(EOFError, OSError, KeyboardInterrupt):
        try:
            tasks = {
                "embed": _embedder(bundle, limits),
                "picture": _picturer(limits),
                "lines": _liner(limits),
                "weigh": _weigher(),
            }
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


def _embedder(place: str | None, limits: Any) -> Callable[..., Any]:
    from resight.embed import Bundle, embed_all

    bundle = None if place is None else Bundle.load(place, threads=1)

    def embed(folder: str, row: dict[str, Any]) -> Any:
        import polars as pl

        from resight.errors import InputError

        if bundle is None:
            raise InputError("expected a model to embed photos with, found vectors that were made elsewhere")
        photo = Catalogue(pl.DataFrame([row]), Path(folder))
        return embed_all(photo, bundle, limits=limits, show_progress=False)

    return embed


def _picturer(limits: Any) -> Callable[..., Any]:
    from resight.images import thumbnail

    def picture(path: str, side_px: int, box: Sequence[float] | None) -> bytes:
        return thumbnail(Path(path), side_px, box, limits)

    return picture


def _liner(limits: Any) -> Callable[..., Any]:
    from resight.pipeline.review_lines import lines_between

    def lines(folder: Path, pair: Catalogue) -> MatchLines:
        return lines_between(folder, pair, limits)

    return lines


def _weigher() -> Callable[..., Any]:
    kept: list[Holder] = []

    def weigh(holder: Holder, one: Photos, others: Photos, fitted: str) -> Any:
        if not kept:
            kept.append(holder)  # what it has read stays for the next
        return kept[0](one, others, fitted)

    return weigh
