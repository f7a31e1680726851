"""Photos and labels in, vectors made: incremental, resumable, nothing lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from resight.core import Catalogue
from resight.datasets import detect, read_catalogue
from resight.embed import Bundle, EmbeddedBatch, EmbeddingEngine, Failure, Remark, embed_photos
from resight.errors import InputError
from resight.images import url_of
from resight.pipeline.bundles import bundle_place, keep_bundle, kept_bundle
from resight.pipeline.codes import keep_codes
from resight.store import CatalogueStore
from resight.store.vectors import file_stem


@dataclass(frozen=True)
class Indexed:
    """What one run of `index_photos` did.

    Args:
        layout: the label layout that was recognised, and why.
        model: fingerprint of the model that made the vectors.
        n_photos: photos named by the labels or found in the folder.
        n_identities: individuals with a name in the catalogue now.
        n_added: photos that the catalogue did not know.
        n_relabelled: photos whose label changed at the source.
        n_removed: photos that the catalogue knew and that are gone from the source.
        n_embedded: vectors made in this run.
        failures: the photos that could not be read, with the reason.
        remarks: on photos that were embedded in this run, such as that several faces were found.
    """

    layout: str
    model: str
    n_photos: int
    n_identities: int
    n_added: int
    n_relabelled: int
    n_removed: int
    n_embedded: int
    failures: tuple[Failure, ...]
    remarks: tuple[Remark, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return asdict(self)


def index_photos(
    photos: str | Path | Catalogue,
    folder: str | Path,
    *,
    labels: str | Path | None = None,
    layout: str = "auto",
    model: str | Path | None = None,
    strict: bool = False,
    engine: EmbeddingEngine | None = None,
    who: str = "index",
) -> Indexed:
    """Bring photos and labels into a catalogue on disk and embed what is new.

    A second run does only what is missing: new photos and changed files. A run that was killed
    loses nothing that it had stored. A large gallery gets codes on disk, by which it is searched.

    Args:
        photos: folder of photos, or a catalogue of them.
        folder: the catalogue; made when absent.
        labels: table of labels, when it does not lie in `photos`.
        layout: name of a label layout, or "auto" to recognise it by content.
        model: bundle to embed with, by name or path; default: the catalogue's own, else the shipped one.
        strict: raise at the first photo that cannot be read, also when an earlier run told so.
        engine: what embeds the photos, such as `resight.scale.RayEngine()`; None means this process.
        who: name written into the journal.

    Raises:
        InputError: when no photo is found, the labels cannot be read, or (`strict`) a photo cannot.
        MismatchError: when the catalogue was made with another model.
        StoreError: when the catalogue is locked, broken or newer.
    """
    catalogue, told = read_photos(photos, labels, layout)
    if not len(catalogue):
        raise InputError(f"expected photos in {catalogue.root}, found none")
    store = CatalogueStore.open_or_create(folder)
    bundle = keep_bundle(store, model)
    is_remote = url_of(catalogue.root) is not None  # what could not be fetched may come the next time
    registered = store.register(catalogue, who=who, without_files=is_remote)
    n_embedded, remarks = _embed_pending(store, bundle, engine, strict=strict, retry_failed=strict or is_remote)
    keep_codes(store, bundle.model_id)
    return Indexed(
        layout=told,
        model=bundle.model_id,
        n_photos=len(catalogue),
        n_identities=store.catalogue().n_identities,
        n_added=registered.n_added,
        n_relabelled=registered.n_relabelled,
        n_removed=registered.n_removed,
        n_embedded=n_embedded,
        failures=tuple(Failure(*failure) for failure in store.failures()),
        remarks=remarks,
    )


def read_photos(photos: str | Path | Catalogue, labels: str | Path | None, layout: str) -> tuple[Catalogue, str]:
    """The catalogue of a folder of photos, and in a few words how it was read.

    Raises:
        CatalogueError: when there is nothing, or what is there is wrong.
    """
    if isinstance(photos, Catalogue):
        return photos, "a catalogue"
    source, table = Path(photos), None if labels is None else Path(labels)
    name, reason = detect(source, table) if layout == "auto" else (layout, "as asked")
    return read_catalogue(source, table, layout=name), f"{name}: {reason}"


def vectors_for(store: CatalogueStore, model: str | Path) -> int:
    """Embed the photos of a catalogue that have no vector of a model yet, and keep the model in it.

    Returns:
        How many vectors were made.

    Raises:
        UnknownNameError: when there is no such bundle.
        InputError: when what lies there is not a bundle.
        StoreError: when the catalogue is locked, or the disk refuses.
    """
    return _embed_pending(store, keep_bundle(store, model), None, strict=False, retry_failed=False)[0]


def _embed_pending(
    store: CatalogueStore, bundle: Bundle, engine: EmbeddingEngine | None, *, strict: bool, retry_failed: bool
) -> tuple[int, tuple[Remark, ...]]:
    n_embedded, remarks = 0, list[Remark]()
    pending = store.pending(bundle.model_id, retry_failed=retry_failed)
    for batch in _batches(pending, store, bundle, engine, strict=strict):
        store.add(batch)
        n_embedded += len(batch.embeddings)
        remarks += batch.remarks
    return n_embedded, tuple(remarks)


def _batches(
    pending: Catalogue, store: CatalogueStore, bundle: Bundle, engine: EmbeddingEngine | None, *, strict: bool
) -> Iterator[EmbeddedBatch]:
    if engine is None:
        return embed_photos(pending, bundle, strict=strict)
    kept = kept_bundle(store, bundle.model_id) or bundle_place(store, bundle.info.name)
    parts = store.folder / "vectors" / f"{file_stem(bundle.model_id)}.parts"
    return engine.embed(pending, kept, parts, strict=strict)
