"""Heads tried against each other: each learned without the photos that judge it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from resight.config import HeadOptions, HeadRecipe, LdaOptions, LearnedOptions, WhiteningOptions
from resight.embed import LinearHead
from resight.errors import NotFittedError
from resight.progress import progress
from resight.train.examples import Examples
from resight.train.heads.closed import lda_heads, whitening_heads
from resight.train.judging import NONE, Judged, Verdicts, deal, judge

__all__ = ["Tried", "fitted", "heads_of", "try_heads"]


@dataclass(frozen=True)
class Tried:
    """One head among those that are tried.

    Args:
        options: of its kind.
        setting: which of the values that these try.
    """

    options: HeadOptions
    setting: str

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return f"{self.options.title} ({self.setting})"


def heads_of(options: HeadOptions, examples: Examples, seed: int) -> Iterator[tuple[str, LinearHead]]:
    """A head for each setting that some options try, called by it.

    Raises:
        NotFittedError: when these photos are too few or too alike for such a head.
    """
    if isinstance(options, WhiteningOptions):
        return whitening_heads(options, examples)
    if isinstance(options, LdaOptions):
        return lda_heads(options, examples)
    from resight.train.heads.learned import learned_heads

    return learned_heads(options, examples, seed)


def try_heads(examples: Examples, recipe: HeadRecipe, seed: int) -> tuple[Verdicts, dict[str, Tried], tuple[str, ...]]:
    """Judge each head of a recipe, and no head, on each fold of the individuals.

    Args:
        examples: all of them.
        recipe: what is tried.
        seed: of folds and learning.

    Returns:
        The verdicts; the heads by their name; and a sentence for each kind that could not be learned.

    Raises:
        NotFittedError: when too few individuals were met again to judge by.
    """
    rules = recipe.validation
    folds = deal(examples, rules.n_folds, rules.n_repeats, seed)
    by_head: dict[str, list[Judged]] = {NONE: []}
    tried: dict[str, Tried] = {}
    faults: dict[str, str] = {}
    n_settings = sum(n_tried(options) for options in recipe.heads)
    with progress("judging heads", len(folds) * n_settings, unit="heads") as done:
        for fold in folds:
            learn = examples.select(fold.learn)
            by_head[NONE].append(judge(examples, fold, n_searches=rules.n_searches, seed=seed))
            for options in recipe.heads:
                try:
                    for setting, head in heads_of(options, learn, seed) if options.title not in faults else ():
                        one = Tried(options, setting)
                        tried[one.name] = one
                        found = judge(answered(examples, head), fold, n_searches=rules.n_searches, seed=seed)
                        by_head.setdefault(one.name, []).append(found)
                        done(1)
                except NotFittedError as error:
                    faults[options.title] = f"{options.title} was left out: {error}"
    tried = {name: one for name, one in tried.items() if one.options.title not in faults}
    kept = {name: found for name, found in by_head.items() if name == NONE or name in tried}
    return Verdicts(kept), tried, tuple(faults.values())


def fitted(one: Tried, examples: Examples, seed: int) -> LinearHead:
    """A head that was chosen, learned on all photos.

    Raises:
        NotFittedError: when it cannot be.
    """
    for setting, head in heads_of(one.options, examples, seed):
        if setting == one.setting:
            return head
    raise NotFittedError(f"expected the setting '{one.setting}' among those of '{one.options.title}', found it missing")


def answered(examples: Examples, head: LinearHead) -> Examples:
    """The same photos with the vectors that a head gives them.

    Raises:
        NotFittedError: when it leaves one of them without a direction.
    """
    vectors = head(examples.vectors)
    if not np.einsum("nd,nd->n", vectors, vectors).all():
        raise NotFittedError("expected a direction for every photo, found one without")
    return examples.mapped(vectors, f"{examples.embeddings.model} with a head")


def n_tried(options: HeadOptions) -> int:
    """How many heads some options try."""
    if isinstance(options, LearnedOptions):
        return len(options.n_epochs)
    n_weights = len(options.weights) if isinstance(options, LdaOptions) else 1
    return len(options.n_dimensions) * len(options.shrinkage) * n_weights
