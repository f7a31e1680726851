"""Verify pairs of photos: each photo embedded once, a score and a probability per pair, measures where it is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.core import Catalogue, PhotoPairs
from resight.datasets.pair_tables import read_pairs
from resight.embed import DEFAULT_BUNDLE, Bundle
from resight.errors import InputError
from resight.evaluate import PairMeasures, folds_in_order, measure_pairs
from resight.pipeline.forms import Form
from resight.pipeline.pair_calibration import COSINE, calibrated
from resight.pipeline.pair_vectors import PhotoVectors, cosines, photo_vectors
from resight.pipeline.verification import WRITTEN, Verification, judged_pairs
from resight.protocols import PairEvidence

__all__ = ["verify_pairs"]

N_FOLDS = 10
"""Folds of the accuracy by folds, where the pairs name none."""

_KEPT = ("catalogue", "catalogue-calibration")

Floats = npt.NDArray[np.float64]
Columns = Mapping[str, npt.NDArray[np.float32]]


def verify_pairs(
    pairs: str | Path | PhotoPairs,
    *,
    photos: str | Path | None = None,
    labels: str | Path | None = None,
    model: str | Path | Bundle | None = None,
    out: str | Path | None = None,
    calibrate_on: str | Path | PhotoPairs | None = None,
    sample: str | Path | None = None,
    evidence: Sequence[PairEvidence] = (),
    per: Sequence[str] = (),
    share_same: float | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
    strict: bool = False,
) -> Verification:
    """Say of each pair of photos how alike they are, and how probably they show the same individual.

    Each photo is embedded once, however many pairs name it. Probabilities are fitted on `calibrate_on`, or on the
    labelled pairs themselves, each judged by a fit without its two persons. With evidence the score of a pair is that
    probability, else the cosine.

    Args:
        pairs: a table or folder of pairs as `read_pairs` reads it, or the pairs.
        photos: the folder of photos that a table names; default: the one that it lies in.
        labels: table of who is on the photos.
        model: bundle, by name or path; default: the shipped one.
        out: folder for `pairs.csv`, `submission.csv`, `verification.json`, `report.html` and the vectors: a run that
            was killed goes on from there, and a second one embeds only what is new.
        calibrate_on: labelled pairs of other individuals to fit the probabilities on; a table's photos are looked
            for as those of `pairs` were.
        sample: sample submission, whose ids are answered in its order.
        evidence: what else is said of pairs, and weighed beside the cosine.
        per: columns, of the pairs or of their photos, whose values get measures of their own.
        share_same: share of pairs of one individual that the probabilities take for granted; default: as among
            the labelled pairs.
        n_resamples: bootstrap resamples of persons for the intervals; 0 for none.
        seed: of the resamples.
        strict: raise at the first photo that cannot be read.

    Raises:
        InputError: when there are no pairs, a value is wrong, or (`strict`) a photo cannot be read.
        NotFittedError: when evidence is to be weighed and too few labelled pairs say how.
        StoreError: when `out` holds something else where the vectors go.
    """
    if out is not None:
        _refuse_theirs(Path(out), (pairs, labels, calibrate_on, sample))
    asked = _read(pairs, photos, labels)
    if not len(asked):
        raise InputError("expected at least one pair of photos, found none")
    others = None if calibrate_on is None else _read(calibrate_on, photos, labels)
    if sample is not None:
        Form.of_file("kryptonite", sample)  # a wrong sample is told before the work
    groups = {name: asked.column(name) for name in per}
    bundle = model if isinstance(model, Bundle) else Bundle.load(model or DEFAULT_BUNDLE)
    for one in evidence:
        getattr(one, "require_model", _anything)(bundle.model_id)
    vectors, n_embedded = _vectors_of([asked] if others is None else [asked, others], bundle, out, strict=strict)
    columns = _columns_of(asked, vectors[0], evidence)
    taught = None if others is None else (others, _columns_of(others, vectors[1], evidence))
    calibration, probabilities, notes = calibrated(asked, columns, taught, share_same, must=bool(evidence))
    scores = probabilities if evidence else columns[COSINE].astype(np.float64)
    measures, said = _measured(asked, scores, groups, n_resamples, seed)
    scale, failures = "probability" if evidence else COSINE, vectors[0].failures
    given = (asked, bundle.model_id, columns, scores, scale, probabilities, calibration, measures, failures)
    told = [note for one in evidence for note in getattr(one, "notes", ())]
    found = Verification(*given, notes=(*notes, *said, *told), n_embedded=n_embedded)
    return found if out is None else found.write(out, sample)


def _refuse_theirs(out: Path, inputs: Sequence[object]) -> None:
    """Refuse to write over what is read, or over files of others; a folder of ours holds the vectors."""
    if out.exists() and not out.is_dir():
        raise InputError(f"expected a folder for what is written, found a file in {out}: give another place")
    read = {Path(one).resolve() for one in inputs if isinstance(one, str | Path)}
    ours = (out / _KEPT[0]).exists()
    for name in WRITTEN:
        place = out / name
        if place.resolve() in read:
            raise InputError(f"expected another folder than {out}, found that {name} is read from it and would be lost")
        if place.exists() and not ours:
            raise InputError(
                f"expected a new folder, or one of an earlier run, found another's {name} in {out}: give another place"
            )


def _anything(_: str) -> None:
    """Evidence that rests on no model takes the vectors of any."""


def _read(pairs: str | Path | PhotoPairs, photos: str | Path | None, labels: str | Path | None) -> PhotoPairs:
    return (pairs if isinstance(pairs, PhotoPairs) else read_pairs(pairs, photos, labels)).only_paired()


def _vectors_of(
    sets: Sequence[PhotoPairs], bundle: Bundle, out: str | Path | None, *, strict: bool
) -> tuple[list[PhotoVectors], int]:
    """The vectors of each set of pairs, and how many were made; a photo goes through the model once for all sets."""
    places = [None if out is None else Path(out) / name for name in _KEPT]
    together = _together([one.photos for one in sets])
    if together is not None:
        every = photo_vectors(together, bundle, places[0], strict=strict)
        return [every.of(one.photos) for one in sets], every.n_embedded
    parts = zip(sets, places, strict=True)
    found = [photo_vectors(one.photos, bundle, place, strict=strict) for one, place in parts]
    return found, sum(one.n_embedded for one in found)


def _together(catalogues: Sequence[Catalogue]) -> Catalogue | None:
    """All photos as one catalogue; None where they lie in two folders, or one id stands for two photos."""
    if len(catalogues) == 1:
        return catalogues[0]
    if len({one.root.resolve() for one in catalogues}) > 1:
        return None
    rows = pl.concat([one.frame.select("image_id", "path", "box") for one in catalogues]).unique(maintain_order=True)
    return None if rows["image_id"].is_duplicated().any() else Catalogue(rows, catalogues[0].root)


def _columns_of(pairs: PhotoPairs, vectors: PhotoVectors, evidence: Sequence[PairEvidence]) -> Columns:
    """The cosine of each pair, and what else is said of it."""
    columns = {COSINE: cosines(pairs, vectors.embeddings)}
    for one in evidence:
        for name, values in one.columns(pairs, vectors.embeddings).items():
            column = np.asarray(values, np.float32)
            if name in columns or column.shape != (len(pairs),) or np.isinf(column).any():
                raise InputError(
                    f"expected evidence under a name of its own with a finite number or NaN for each of {len(pairs)} "
                    f"pairs, found '{name}' of shape {column.shape} from {type(one).__name__}"
                )
            columns[name] = column
    return columns


def _measured(
    pairs: PhotoPairs, scores: Floats, groups: Mapping[str, npt.NDArray[np.str_]], n_resamples: int, seed: int
) -> tuple[PairMeasures | None, tuple[str, ...]]:
    """The measures of the labelled pairs, and what is to be said of them; none where only one kind is labelled."""
    known = pairs.is_labelled
    judged = judged_pairs(pairs, scores)
    if judged.same.all() or not judged.same.any():
        return None, ()
    parts = {name: values[known] for name, values in groups.items()}
    found = measure_pairs(judged, folds=_folds(pairs), groups=parts, n_resamples=n_resamples, seed=seed)
    return found, tuple(_notes(pairs, found))


def _folds(pairs: PhotoPairs) -> npt.NDArray[np.str_] | None:
    """The fold of each labelled pair: as the pairs say, or else by their order; None where there are too few."""
    named = pairs.column("fold")[pairs.is_labelled]
    if "" not in named and len(np.unique(named)) > 1:
        return named
    same = pairs.is_genuine[pairs.is_labelled]
    n_folds = min(N_FOLDS, int(same.sum()), int((~same).sum()))
    return folds_in_order(same, n_folds) if n_folds > 1 else None


def _notes(pairs: PhotoPairs, found: PairMeasures) -> Iterator[str]:
    """What should be known before the measures are trusted."""
    if not pairs.frame.select("person_a", "person_b").count().sum_horizontal().item():
        yield (
            "Nobody is named, so the photos of pairs of one individual count as one person for the intervals, and "
            "every other photo as a person of its own: name them by person_a and person_b."
        )
    if found.n_not_compared:
        yield (
            f"{found.n_not_compared:,} labelled pairs could not be compared: they count as refused at every threshold."
        )
    if found.folds is not None and found.folds.n_shared:
        yield (
            f"{found.folds.n_shared:,} persons are in two folds or more, so the accuracy by folds is of persons on "
            "whom the threshold may have been chosen."
        )
