"""`resight train forgery`: a head that tells forged photos from real ones, judged by persons that it never saw."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resight import __version__
from resight.bundle_files import hash_of
from resight.core import Catalogue, Embeddings, Estimate
from resight.embed import Bundle
from resight.errors import InputError, NotFittedError
from resight.evaluate import bootstrap, eer
from resight.forgery import TRACES, ForgeryHead, ForgeryInfo, HeadNumbers
from resight.forgery.head import as_bytes
from resight.images import Failure
from resight.pages.wording import plural
from resight.pipeline.bundles import bundle_for
from resight.pipeline.forgery import trace_photos
from resight.pipeline.gallery import fingerprint, labelled_gallery
from resight.progress import progress
from resight.rerank.logistic import Ridge, fit_logistic
from resight.store import CatalogueStore
from resight.train.bundles import draft_folder, publish, refuse_taken
from resight.train.examples import synthetic_marks
from resight.train.judging import json_of

__all__ = ["ForgeryTraining", "fit_forgery_head", "train_forgery"]

_N_AXES = 128  # directions of the vectors that are kept
_N_NETWORKS, _N_HIDDEN, _N_EPOCHS, _DECAY = 3, 64, 40, 1.0
_LEAST_PERSONS, _LEAST_EACH = 4, 20
_LEAST_SCALE = 1e-6
_N_RESAMPLES = 300
_N_IMPOSTORS = 4  # pairs of two persons for each of one
_AS_IT_IS = np.array([1.0, 0.0], np.float32)

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ForgeryTraining:
    """What a forgery head is worth, and where it lies.

    Args:
        out: its folder.
        head: the head.
        figures: on persons that took no part: `AUROC`, how well forged photos are told from real ones, and `EER`, the
            share that is told wrongly where both kinds of error are as frequent.
        failures: the photos that could not be read or are too small, with the reason.
    """

    out: Path
    head: ForgeryHead
    figures: Mapping[str, Estimate]
    failures: tuple[Failure, ...] = ()

    def __str__(self) -> str:
        """What it was learned from, a line per figure, and where it lies."""
        info = self.head.info
        learned = f"{plural(info.n_photos, 'photo')} of {plural(info.n_persons, 'person')}, {info.n_forged} forged"
        width = max(map(len, self.figures))
        lines = [f"{name:<{width}}  {one}" for name, one in self.figures.items()]
        return "\n".join([f"{learned}, model {info.model}", *lines, f"head: {self.out}"])

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return {
            "out": str(self.out),
            **self.head.info.model_dump(exclude={"traces", "figures"}),
            "figures": json_of(self.figures),
            "failures": [{"image_id": f.image_id, "path": f.path, "reason": f.reason} for f in self.failures],
        }


def train_forgery(
    folder: str | Path, out: str | Path, *, model: str | Path | None = None, n_folds: int = 5, seed: int = 0
) -> ForgeryTraining:
    """Learn a head that tells the forged photos of a catalogue from its real ones.

    It looks at the traces of each photo and at its stored vector. The figures come from folds of persons: each person
    is judged by a head that saw none of its photos. The head that is written is learned on all, and its
    log-odds are fitted to what these folds said.

    A head knows the forgeries that it learned from, and no others. It is no proof about a single photo.

    Args:
        folder: the catalogue; a column `is_synthetic` marks its forged photos.
        out: new folder for the head.
        model: bundle whose vectors are looked at, by name or path; default: the catalogue's own.
        n_folds: parts of the persons, at least 2.
        seed: of the folds, of learning and of the intervals.

    Raises:
        InputError: when nothing is marked, `out` is taken, or the disk refuses.
        NotFittedError: when there are too few persons, real photos or forged ones, or nobody has two real ones.
        UnknownNameError: when there is no such bundle.
        StoreError: when there is no catalogue.

    Example:
        >>> print(train_forgery("forged", "forgery-head"))  # doctest: +SKIP
    """
    refuse_taken(Path(out))
    if n_folds < 2:
        raise InputError(f"expected at least 2 folds, found {n_folds}")
    store = CatalogueStore.open(folder)
    bundle: Bundle = bundle_for(store, model)
    gallery, embeddings = labelled_gallery(store, bundle.model_id)
    traced = trace_photos(gallery)
    readable = np.flatnonzero(~np.isnan(traced.traces).any(axis=1))
    photos, vectors = gallery.select(readable), embeddings.select(readable)
    forged = synthetic_marks(photos.frame)
    persons = np.unique(photos.frame["identity"].to_numpy().astype(np.str_), return_inverse=True)[1].astype(np.int64)
    _refuse_few(forged, persons, gallery)
    traces = traced.traces[readable]
    unseen = _unseen(traces, vectors.vectors, forged, persons, n_folds, seed)
    numbers = replace(
        fit_forgery_head(traces, vectors.vectors, forged, seed=seed),
        line=_line(unseen, forged),
        face_line=_face_line(vectors.vectors, np.flatnonzero(~forged), persons, seed),
    )
    figures = _figures(unseen, forged, persons, seed)
    info = _info(photos, vectors, forged, persons, numbers, figures, seed)
    head = ForgeryHead(info, numbers)
    with draft_folder(Path(out).absolute().parent) as draft:
        head.save(draft)
        publish(draft, Path(out))
    return ForgeryTraining(Path(out), head, figures, traced.failures)


def fit_forgery_head(traces: npt.ArrayLike, vectors: npt.ArrayLike, forged: Bools, *, seed: int = 0) -> HeadNumbers:
    """Learn the networks of a head.

    Three networks of 64 hidden units with a weight decay, each from another start; their mean is steadier than
    one alone. Of the vectors the directions in which photos differ most are looked at.

    Args:
        traces: (N, T) finite.
        vectors: (N, D).
        forged: (N,) which are.
        seed: of the starts and of the order of the photos.

    Returns:
        The numbers, without the two lines that make log-odds.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    seen, held = np.asarray(traces, np.float32), np.asarray(vectors, np.float32)
    no_network = _standard(seen, held)
    inputs = no_network.inputs(seen, held)
    learned = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # so many epochs are enough; more learn by heart
        for start in range(_N_NETWORKS):
            network = MLPClassifier(
                (_N_HIDDEN,), alpha=_DECAY, max_iter=_N_EPOCHS, random_state=seed * _N_NETWORKS + start
            )
            learned.append(network.fit(inputs, forged))
    return replace(
        no_network,
        hidden=np.stack([one.coefs_[0] for one in learned]),
        hidden_bias=np.stack([one.intercepts_[0] for one in learned]),
        out=np.stack([one.coefs_[1][:, 0] for one in learned]),
        out_bias=np.stack([one.intercepts_[1][0] for one in learned]),
    )


def _standard(traces: npt.NDArray[np.float32], vectors: npt.NDArray[np.float32]) -> HeadNumbers:
    """A head without a network: what it makes of traces and vectors before networks look at them."""
    centre = vectors.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov((vectors - centre).T.astype(np.float64)))
    kept = np.argsort(variances)[::-1][: min(_N_AXES, len(vectors) - 1)]
    kept = kept[variances[kept] > _LEAST_SCALE**2]
    return HeadNumbers(
        trace_centre=traces.mean(axis=0),
        trace_scale=np.maximum(traces.std(axis=0), _LEAST_SCALE),
        vector_centre=centre,
        axes=(axes[:, kept] / np.sqrt(variances[kept])).astype(np.float32),
        hidden=np.zeros((0, traces.shape[1] + len(kept), _N_HIDDEN), np.float32),
        hidden_bias=np.zeros((0, _N_HIDDEN), np.float32),
        out=np.zeros((0, _N_HIDDEN), np.float32),
        out_bias=np.zeros(0, np.float32),
        line=_AS_IT_IS,
        face_line=_AS_IT_IS,
    )


def _unseen(
    traces: npt.NDArray[np.float32],
    vectors: npt.NDArray[np.float32],
    forged: Bools,
    persons: Codes,
    n_folds: int,
    seed: int,
) -> Floats:
    """(N,) what networks say of each photo that saw no photo of its person."""
    n_persons = int(persons.max()) + 1
    fold_of = np.empty(n_persons, np.int64)
    fold_of[np.random.default_rng(seed).permutation(n_persons)] = np.arange(n_persons) % min(n_folds, n_persons)
    folds = fold_of[persons]
    found = np.zeros(len(forged))
    with progress("judging", total=n_folds, unit="folds") as done:
        for fold in np.unique(folds):
            asked = folds == fold
            numbers = fit_forgery_head(traces[~asked], vectors[~asked], forged[~asked], seed=seed)
            found[asked] = numbers.raw(numbers.inputs(traces[asked], vectors[asked]))
            done(1)
    return found


def _line(said: Floats, truth: Bools) -> npt.NDArray[np.float32]:
    """(2,) slope and height that make log-odds of what is said, as if it were true of half."""
    weights = np.where(truth, 0.5 / truth.mean(), 0.5 / (1 - truth.mean()))
    ridge = Ridge(np.array([1.0, 0.0]), np.array([0.01, 0.01]), np.array([0.0, -np.inf]))
    return fit_logistic(np.column_stack([said, np.ones(len(said))]), truth, weights, ridge).astype(np.float32)


def _face_line(vectors: npt.NDArray[np.float32], rows: Codes, persons: Codes, seed: int) -> npt.NDArray[np.float32]:
    """(2,) slope and height for the cosine: each real photo beside the next of its person, and drawn pairs of two."""
    ordered = rows[np.argsort(persons[rows], kind="stable")]
    one, other = ordered[:-1], ordered[1:]
    own = persons[one] == persons[other]
    if not own.any():
        raise NotFittedError("expected a person with two real photos, to learn what their cosine says, found none")
    drawn = np.random.default_rng(seed).choice(rows, (2, _N_IMPOSTORS * int(own.sum())))
    apart = drawn[:, persons[drawn[0]] != persons[drawn[1]]]
    pairs = np.concatenate([np.stack([one[own], other[own]]), apart], axis=1)
    cosines = np.einsum("pd,pd->p", vectors[pairs[0]], vectors[pairs[1]]).astype(np.float64)
    return _line(cosines, np.arange(len(cosines)) < own.sum())


def _refuse_few(forged: Bools, persons: Codes, gallery: Catalogue) -> None:
    if not forged.any():
        raise InputError(
            f"expected photos that are marked as forged in {gallery.root}, by a column 'is_synthetic' or files "
            "meta.json, found none"
        )
    n_persons = len(np.unique(persons))
    if n_persons < _LEAST_PERSONS or min(forged.sum(), (~forged).sum()) < _LEAST_EACH:
        raise NotFittedError(
            f"expected at least {_LEAST_PERSONS} persons, {_LEAST_EACH} real and {_LEAST_EACH} forged photos to learn "
            f"from, found {n_persons}, {(~forged).sum()} and {forged.sum()}"
        )


def _figures(log_odds: Floats, forged: Bools, persons: Codes, seed: int) -> dict[str, Estimate]:
    """Intervals over persons."""

    def auroc(rows: Codes) -> float:
        return _auroc(log_odds[rows], forged[rows])

    def equal(rows: Codes) -> float:
        return eer(log_odds[rows][forged[rows]], log_odds[rows][~forged[rows]], "interpolated")

    return {
        "AUROC": bootstrap(auroc, persons, n_resamples=_N_RESAMPLES, seed=seed),
        "EER": bootstrap(equal, persons, n_resamples=_N_RESAMPLES, seed=seed),
    }


def _auroc(scores: Floats, forged: Bools) -> float:
    """The chance that a forged photo scores above a real one, a tie counting half (the sum of ranks of F. Wilcoxon)."""
    n_forged, n_real = int(forged.sum()), int((~forged).sum())
    if not n_forged or not n_real:
        return float("nan")
    levels, place = np.unique(scores, return_inverse=True)
    counts = np.bincount(place, minlength=len(levels))
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[forged].sum() - n_forged * (n_forged + 1) / 2) / (n_forged * n_real))


def _info(
    photos: Catalogue,
    vectors: Embeddings,
    forged: Bools,
    persons: Codes,
    numbers: HeadNumbers,
    figures: Mapping[str, Estimate],
    seed: int,
) -> ForgeryInfo:
    import sklearn

    return ForgeryInfo(
        model=vectors.model,
        traces=TRACES,
        numbers=hash_of(as_bytes(numbers)),
        photos=fingerprint(photos, vectors),
        n_photos=len(photos),
        n_forged=int(forged.sum()),
        n_persons=len(np.unique(persons)),
        seed=seed,
        versions={"resight": __version__, "numpy": np.__version__, "scikit-learn": str(sklearn.__version__)},
        figures=json_of(figures),
    )
