"""A head made part of a bundle: its graph, what `model.json` says, and the proof that both give the same vectors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resight.bundle_files import read_graph
from resight.core import Catalogue
from resight.embed import Bundle, BundleInfo, Learned, LinearHead, describe, hash_of, with_head
from resight.train import bundles
from resight.train.bundles import Agreement, draft_folder, write_files, write_finders, write_learned

__all__ = ["agreement", "draft_bundle"]


@contextmanager
def draft_bundle(
    base: Path, head: LinearHead, learned: Learned, name: str, photos: Catalogue, *, beside: Path
) -> Iterator[Path]:
    """A folder with the bundle that has the head in its graph; gone again afterwards, whatever happens.

    Args:
        base: folder or zip of the bundle that the head was learned on.
        head: takes that bundle's vectors.
        learned: what is said of the training.
        name: of the new bundle.
        photos: that the head was learned from.
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
    with draft_folder(beside) as draft:
        write_files(draft, graph, info)
        write_finders(draft, base)
        write_learned(draft, photos, base)
        yield draft


def agreement(made: Bundle, base: Bundle, head: LinearHead, photos: Catalogue) -> Agreement:
    """Hold the bundle against the head on the old bundle's vectors, on some photos.

    Args:
        made: the bundle with the head in its graph.
        base: the bundle without.
        head: the head.
        photos: see `resight.train.bundles.agreement`.

    Raises:
        MismatchError: when they do not agree.
    """
    return bundles.agreement(made, lambda pixels: head(base.embed(pixels)), "the head", photos)
