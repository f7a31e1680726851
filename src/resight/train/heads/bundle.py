"""A head made part of a bundle: its graph, what `model.json` says, and the proof that both give the same vectors."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from resight.bundle_files import GRAPH, INFO, read_graph
from resight.core import Catalogue
from resight.embed import Bundle, BundleInfo, Learned, LinearHead, describe, embed_all, hash_of, with_head
from resight.errors import InputError, MismatchError

__all__ = ["LARGEST_DIFFERENCE", "LEAST_COSINE", "agreement", "draft_bundle", "publish"]

LARGEST_DIFFERENCE = 1e-4
"""Between a number of a vector of the bundle and that of the head on the old vector."""

LEAST_COSINE = 0.9999
"""Between the two vectors."""

_N_CHECKED = 16


@contextmanager
def draft_bundle(base: Path, head: LinearHead, learned: Learned, name: str, *, beside: Path) -> Iterator[Path]:
    """A folder with the bundle that has the head in its graph; gone again afterwards, whatever happens.

    Args:
        base: folder or zip of the bundle that the head was learned on.
        head: takes that bundle's vectors.
        learned: what is said of the training.
        name: of the new bundle.
        beside: folder to make it in.

    Raises:
        ConfigError: when the name is no name of a bundle.
        InputError: when the disk refuses.
    """
    old = describe(base)
    graph = with_head(read_graph(base, old.weights), head)
    info = BundleInfo(
        **{
            **old.model_dump(),
            "name": name,
            "version": "1",
            "dimension": head.dimension,
            "summary": f"{old.name} with a head ({learned.method}) learned on {learned.n_photos} photos of "
            f"{learned.n_individuals} individuals",
            "changes": f"{old.changes}; a linear head and its normalisation appended to the graph of {old.model_id}",
            "weights": hash_of(graph),
            "learned": learned,
        }
    )
    try:
        beside.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=beside, prefix=".draft-", ignore_cleanup_errors=True) as folder:
            draft = Path(folder, "bundle")
            draft.mkdir()
            (draft / GRAPH).write_bytes(graph)
            (draft / INFO).write_text(info.to_text(), encoding="utf-8")
            yield draft
    except OSError as error:
        raise InputError(f"expected to write the bundle into {beside}, found: {error.strerror or error}") from error


def agreement(made: Bundle, base: Bundle, head: LinearHead, photos: Catalogue) -> tuple[int, float]:
    """Hold the bundle against the head on the old bundle's vectors, on some photos.

    Args:
        made: the bundle with the head in its graph.
        base: the bundle without.
        head: the head.
        photos: some of these are looked at; those that cannot be read are passed over, and when none can, drawn
            pixels stand in for them.

    Returns:
        How many photos were looked at, and the least cosine.

    Raises:
        MismatchError: when they do not agree.
    """
    rows = np.unique(np.linspace(0, len(photos) - 1, min(_N_CHECKED, len(photos))).astype(np.int64))
    some = photos.select(rows)
    old = embed_all(some, base, show_progress=False).embeddings
    new = embed_all(some.select(old.image_ids), made, show_progress=False).embeddings
    n_photos, before, after = len(new), old.select(new.image_ids).vectors, new.vectors
    if not n_photos:
        side = base.info.input_side_px
        pixels = np.random.default_rng(0).integers(0, 256, (4, side, side, 3), dtype=np.uint8)
        before, after = base.embed(pixels), made.embed(pixels)
    expected = head(before)
    least = float(np.einsum("nd,nd->n", expected, after).min())
    apart = float(np.abs(expected - after).max())
    if not (least >= LEAST_COSINE and apart <= LARGEST_DIFFERENCE):
        raise MismatchError(
            f"expected the bundle to give the vectors of the head to {LARGEST_DIFFERENCE:g} (cosine at least "
            f"{LEAST_COSINE}), found a difference of {apart:.2g} (cosine {least:.6f})"
        )
    return n_photos, least


def publish(draft: Path, out: Path) -> None:
    """Put a draft where it is to lie, as a whole or not at all.

    Raises:
        InputError: when something lies there, or the disk refuses.
    """
    refuse_taken(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".draft-", ignore_cleanup_errors=True) as folder:
            copy = shutil.copytree(draft, Path(folder, "bundle"))
            Path(copy).rename(out)
    except OSError as error:
        raise InputError(f"expected to write the bundle to {out}, found: {error.strerror or error}") from error


def refuse_taken(out: Path) -> None:
    """Refuse a place for a bundle where something lies.

    Raises:
        InputError: when something does.
    """
    if out.exists():
        raise InputError(f"expected a new folder for the bundle, found something in {out}: give another place")
