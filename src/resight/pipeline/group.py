"""Unlabelled photos of a catalogue, grouped into proposed individuals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from resight.core import Catalogue, Embeddings, Estimate, Pairs
from resight.decide.grouping import Groups, anchored_blocks
from resight.decide.head_count import counted_by_noise, counted_by_trials
from resight.errors import InputError
from resight.pages.wording import plural
from resight.pipeline.bundles import model_of
from resight.pipeline.fused_evidence import evidence_by
from resight.pipeline.gallery import encounter_notes, require_columns
from resight.pipeline.group_trials import GroupRules, GroupTrial, enough_to_try, line_among, log_odds_of, trials
from resight.pipeline.pair_evidence import PairEvidence, log_odds_curve
from resight.pipeline.proposals import Grouping
from resight.store import CatalogueStore, Denials

_N_TRIALS = 12
_USUAL_PROBABILITY = 0.5


def group_catalogue(
    folder: str | Path,
    *,
    same: Sequence[str] = (),
    one_per_encounter: bool = False,
    min_probability: float | None = None,
    n_neighbours: int = 50,
    model: str | Path | None = None,
    seed: int = 0,
    rerank: bool = False,
) -> Grouping:
    """Propose individuals for the unlabelled photos of a catalogue.

    Each photo is compared with those that look most like it. Groups are joined while the mean log-odds between them
    stay above a line. With six labelled individuals or more, trials that hide their names choose the line that
    gives the highest mean adjusted Rand index, correct the confidence, and set the number of individuals right.

    Args:
        folder: the catalogue.
        same: columns in which two photos must agree to be matched (side): an individual seen from both sides is
            then two groups, unless a name or an encounter says that they are one.
        one_per_encounter: say that each encounter shows one individual.
        min_probability: the mean probability down to which two groups are joined; None learns it, or takes 0.5.
        n_neighbours: photos that each is compared with.
        model: bundle, by name or path; default: the catalogue's own.
        seed: of the trials.
        rerank: weigh what `calibrate_catalogue` fitted with a recipe, in place of the cosine alone.

    Raises:
        NotFittedError: with `rerank`, when nothing was fitted.
        InputError: when every photo has a name, a number is out of range, or what is known of the photos contradicts
            itself; then they are named.
        UnknownNameError: when there is no such column.
        StoreError: when there is no catalogue.
    """
    if min_probability is not None:
        log_odds_of(min_probability)  # refuses what is no probability
    if n_neighbours < 1:
        raise InputError(f"expected n_neighbours of at least 1, found {n_neighbours}")
    store = CatalogueStore.open(folder)
    photos, embeddings, left_out = _photos(store, model)
    evidence, made_by = evidence_by(store, embeddings, rerank)
    rules = GroupRules(tuple(same), one_per_encounter, n_neighbours, evidence=evidence)
    require_columns(photos, same)
    if one_per_encounter:
        require_columns(photos, ["encounter"])
    # What contradicts itself is refused before anything dear is done.
    denials = store.denials()
    anchored_blocks(rules.constraints(photos, denials), photos.column("identity"))
    pairs = rules.pairs(photos, embeddings)
    said = evidence(photos, embeddings, pairs, rules.same)
    chosen, tried = _chosen(photos, embeddings, rules, said, min_probability, seed)
    line = line_among(chosen, _share_labelled(photos)) if said.calibrated else chosen
    groups = rules.groups(photos, pairs, said, line, denials)
    if tried:
        groups = _with_confidence(groups, tried, photos)
        unlabelled = photos.frame["identity"].is_null().to_numpy()
        n_named = int((unlabelled & groups.is_known).sum())
        count = counted_by_trials(groups.n_new, int(unlabelled.sum()), n_named, [one.tally for one in tried])
    else:
        count = _disturbed(photos, pairs, said, rules, denials, line, groups.n_new, seed)
    notes = (*said.notes, *encounter_notes(photos), *_notes(bool(tried), left_out))
    return Grouping(Path(folder), photos, groups, count, chosen, bool(tried), left_out, made_by, notes)


def _photos(store: CatalogueStore, model: str | Path | None) -> tuple[Catalogue, Embeddings, tuple[str, ...]]:
    """The photos that have a vector, their vectors, and the unlabelled photos that have none."""
    embeddings = store.embeddings(model_of(store, model))
    every = store.catalogue()
    embedded = np.isin(every.image_ids, embeddings.image_ids)
    photos = every.select(embedded)
    unlabelled = every.frame["identity"].is_null().to_numpy()
    if not (unlabelled & embedded).any():
        raise InputError(
            f"expected photos without a name to group in the catalogue {store.folder}, found none: index some, or "
            "judge grouping by the labelled ones with --evaluate"
        )
    return photos, embeddings.select(photos.image_ids), tuple(every.image_ids[unlabelled & ~embedded].tolist())


def _chosen(
    photos: Catalogue, embeddings: Embeddings, rules: GroupRules, said: PairEvidence, line: float | None, seed: int
) -> tuple[float, list[GroupTrial]]:
    """The line asked for or the best one, and trials at the height where it stands among all photos.

    The best line has the highest mean adjusted Rand index; of equal ones it is the highest.
    """
    known = photos.labelled()
    if not said.calibrated or not enough_to_try(known):
        return _USUAL_PROBABILITY if line is None else line, []
    vectors = embeddings.select(known.image_ids)
    if line is None:
        rows = list(trials(known, vectors, rules, n_repeats=_N_TRIALS, seed=seed))
        means = [np.mean([trial.ari for trial in column]) for column in zip(*rows, strict=True)]
        line = rows[0][int(np.argmax(means))].min_probability
    there = (line_among(line, _share_labelled(photos)),)
    return line, [row[0] for row in trials(known, vectors, rules, there, n_repeats=_N_TRIALS, seed=seed)]


def _share_labelled(photos: Catalogue) -> float:
    return 1 - photos.frame["identity"].null_count() / len(photos)


def _with_confidence(groups: Groups, tried: Sequence[GroupTrial], photos: Catalogue) -> Groups:
    """The groups with the confidence that the trials bore out."""
    sure, right = (np.concatenate([getattr(one, name) for one in tried]) for name in ("sure", "right"))
    said = 1 / (1 + np.exp(-log_odds_curve(_logit(sure), right, _logit(groups.confidence))))
    labelled = photos.frame["identity"].is_not_null().to_numpy()
    return replace(groups, confidence=np.where(labelled, 1.0, said))


def _logit(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    inside = np.clip(shares, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(inside / (1 - inside)))


def _disturbed(
    photos: Catalogue,
    pairs: Pairs,
    said: PairEvidence,
    rules: GroupRules,
    denials: Denials,
    line: float,
    n_found: int,
    seed: int,
) -> Estimate:
    """The number of groups, with how far it moves when the log-odds are disturbed; known individuals apart."""
    constraints = rules.constraints(photos, denials)
    shift, n = log_odds_of(line), int(photos.frame["identity"].is_null().sum())
    absent = min(0.0, said.absent - shift)
    noisy = counted_by_noise(pairs, said.log_odds - shift, constraints, absent=absent, linkage=rules.linkage, seed=seed)
    low, high = (max(0.0, min(n_found + bound - noisy.value, float(n))) for bound in (noisy.low, noisy.high))
    return Estimate(float(n_found), min(low, n_found), max(high, n_found), n=noisy.n, level=noisy.level)


def _notes(calibrated: bool, left_out: Sequence[str]) -> tuple[str, ...]:
    notes = []
    if not calibrated:
        notes.append(
            "Fewer than six labelled individuals, or none met twice: the number of individuals and the confidence were "
            "checked against nothing; the interval only says how firmly the groups stand."
        )
    if left_out:
        notes.append(f"{plural(len(left_out), 'unlabelled photo')} without a vector took no part.")
    return tuple(notes)
