"""Generated photos among those that a head learns from: each person's are someone else, or they are left out."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from resight.core import Catalogue, Embeddings
from resight.pages.wording import plural
from resight.train.examples import FACE_OF, synthetic_marks

__all__ = ["GENERATED", "set_apart"]

GENERATED = " (generated)"
"""What stands behind a name for the one whom generated photos of that person show."""


def set_apart(
    gallery: Catalogue, embeddings: Embeddings, how: Literal["negatives", "leave-out"]
) -> tuple[Catalogue, Embeddings, tuple[str, ...]]:
    """The photos to learn from, their vectors, and what is to be said of the generated ones.

    Args:
        gallery: named photos; a column `is_synthetic` marks generated ones.
        embeddings: a vector for each, in the same order.
        how: "negatives" gives the generated photos of a person a name of their own, so that a head learns to tell them
            from the person; "leave-out" drops them.
    """
    marks = synthetic_marks(gallery.frame)
    if not marks.any():
        return gallery, embeddings, ()
    told = plural(int(marks.sum()), "photo is", "photos are")
    if how == "leave-out":
        kept = np.flatnonzero(~marks)
        return gallery.select(kept), embeddings.select(kept), (f"{told} generated and left out",)
    name = pl.col("identity")
    own = pl.when(pl.Series(marks)).then(name + GENERATED).otherwise(name)
    apart = Catalogue(gallery.frame.with_columns(own.alias("identity"), name.alias(FACE_OF)), gallery.root)
    return apart, embeddings, (f"{told} generated: those of a person are learned as someone else",)
