"""Heads in closed form: whitening and linear discriminant analysis, on numpy alone.

Both are a rotation and a scale per direction. What is estimated from few photos in many directions
is mostly noise, so both are shrunk towards directions that count alike.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from resight.config import LdaOptions, WhiteningOptions
from resight.embed import LinearHead
from resight.errors import NotFittedError
from resight.train.examples import Examples
from resight.train.spread import SMALLEST_VARIANCE, Matrix, Spread

__all__ = ["lda", "lda_heads", "whitening", "whitening_heads"]

_SMALLEST_SHARE = 1e-7
"""Directions in which classes differ less than this share of the best one count for nothing."""


def whitening_heads(options: WhiteningOptions, examples: Examples) -> Iterator[tuple[str, LinearHead]]:
    """A head for each setting that the options try, called by it.

    Raises:
        NotFittedError: when the vectors do not differ.
    """
    spread = examples.spread
    for n in options.n_dimensions:
        for shrinkage in options.shrinkage:
            yield f"n_dimensions={n}, shrinkage={shrinkage:g}", whitening(spread, shrinkage, n)


def lda_heads(options: LdaOptions, examples: Examples) -> Iterator[tuple[str, LinearHead]]:
    """A head for each setting that the options try, called by it.

    Raises:
        NotFittedError: when the vectors do not differ, or no individual has two photos.
    """
    spread = examples.spread
    for shrinkage in options.shrinkage:
        turned, between = discriminants(spread, shrinkage, max(options.n_dimensions))
        for n in options.n_dimensions:
            for weights in options.weights:
                head = weighted(spread, turned[:, :n], between[:n], weights)
                yield f"n_dimensions={n}, shrinkage={shrinkage:g}, weights={weights}", head


def whitening(spread: Spread, shrinkage: float, n_dimensions: int) -> LinearHead:
    """Principal directions, each divided by its shrunk standard deviation.

    Args:
        spread: of the photos.
        shrinkage: in (0, 1]: the weight of the largest variance beside a direction's own.
        n_dimensions: directions that are kept, at most.
    """
    shrunk = (1 - shrinkage) * spread.variances + shrinkage * spread.variances[0]
    return spread.head(np.diag(1 / np.sqrt(shrunk))[:, :n_dimensions])


def lda(spread: Spread, shrinkage: float, n_dimensions: int, weights: str = "even") -> LinearHead:
    """Directions in which photos of one class vary alike, those first in which classes differ most.

    With weights "even" they count alike: within-class covariance normalisation (Hatch et al., 2006) and, with
    fewer dimensions than directions, linear discriminant analysis. With "odds" each counts as it should
    where the photos of a class vary normally around its mean, and the means around one point: with variance
    1 within and b between, the log odds that two photos are of one class grow with the product of their
    places times b / (1 + 2b) (the two-covariance model of Brümmer & de Villiers, 2010, without its terms of one
    photo alone).

    Args:
        spread: of the photos.
        shrinkage: in (0, 1]: the weight of an even variance beside what was found within classes.
        n_dimensions: directions that are kept, at most.
        weights: "even" or "odds".

    Raises:
        NotFittedError: when no class has two photos, they are copies, or ("odds") classes do not differ.
    """
    return weighted(spread, *discriminants(spread, shrinkage, n_dimensions), weights)


def discriminants(spread: Spread, shrinkage: float, n_dimensions: int) -> tuple[Matrix, Matrix]:
    """(R, E) what turns places so that classes vary by 1 within, and (E,) by how much they vary between, falling.

    Args:
        spread: of the photos.
        shrinkage: as for `lda`.
        n_dimensions: directions that are kept, at most.

    Raises:
        NotFittedError: when no class has two photos, or they are copies.
    """
    within, axes = spread.within
    level = within.mean()
    to_even = axes / np.sqrt((1 - shrinkage) * within + shrinkage * level)
    means, counts = spread.class_means
    apart = means @ to_even * np.sqrt(counts / counts.sum())[:, None]
    between, axes = np.linalg.eigh(apart.T @ apart)
    return to_even @ axes[:, ::-1][:, :n_dimensions], between[::-1][:n_dimensions].clip(0)


def weighted(spread: Spread, turned: Matrix, between: Matrix, weights: str) -> LinearHead:
    """The head of some discriminants, with the weights that `lda` tells of.

    Raises:
        NotFittedError: when the weights are by odds and classes do not differ.
    """
    if weights == "even":
        return spread.head(turned)
    if between[0] <= SMALLEST_VARIANCE:
        raise NotFittedError("expected individuals that differ, found one, or all alike")
    told = between > _SMALLEST_SHARE * between[0]
    return spread.head((turned * np.sqrt(between / (1 + 2 * between)))[:, told])
