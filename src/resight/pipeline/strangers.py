"""Photos of nobody in the catalogue that ask, too, when something is fitted: so it knows what such photos score."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from resight.core import Catalogue, Embeddings
from resight.pipeline.comparing import Comparer
from resight.pipeline.sides import Side

__all__ = ["Strangers", "with_strangers"]


@dataclass(frozen=True, eq=False)
class Strangers:
    """Photos of nobody in the catalogue.

    Args:
        side: the photos.
        comparer: the recipe's scorers, built on them and on the photos of the catalogue.
    """

    side: Side
    comparer: Comparer


def with_strangers(asking: Side, strangers: Side) -> Side:
    """Photos that ask, and behind them strangers, each of whom is somebody for himself under a name that nobody has.

    It says who asks, and by what vector; the files of strangers are those of their own side.
    """
    ids = _nobodys(asking.catalogue.image_ids.tolist(), len(strangers))
    names = _nobodys(asking.catalogue.frame["identity"].drop_nulls().to_list(), len(strangers))
    theirs = pl.DataFrame({"image_id": ids, "path": ids, "identity": names})
    frame = pl.concat([asking.catalogue.frame, theirs], how="diagonal_relaxed")
    strangers.embeddings.require_same_model(asking.embeddings.model)
    vectors = np.concatenate([asking.embeddings.vectors, strangers.embeddings.vectors])
    embeddings = Embeddings(frame["image_id"].to_numpy().astype(np.str_), vectors, asking.embeddings.model)
    return Side(Catalogue(frame, asking.catalogue.root), embeddings)


def _nobodys(taken: Iterable[str], n: int) -> list[str]:
    """`n` names that start as none of those that are taken."""
    start, taken = "stranger", list(taken)
    while any(name.startswith(start) for name in taken):
        start = f"_{start}"
    return [f"{start}-{number}" for number in range(n)]
