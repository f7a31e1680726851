"""Slow, plain versions of what is said of pairs: loops only."""

import numpy as np


def weight(times, one, other):
    """How often a pair counts when each person was drawn so many times."""
    return times[one] if one == other else times[one] * times[other]


def repeated(weights, *columns):
    """Each pair as often as its weight says."""
    rows = [row for row, count in enumerate(weights) for _ in range(int(count))]
    return [[column[row] for row in rows] for column in columns]


def best_accuracy(scores, same):
    """The highest share of right answers at any threshold."""
    cuts = [*scores, np.inf]
    return max(sum((score >= cut) == truth for score, truth in zip(scores, same, strict=True)) for cut in cuts) / len(
        same
    )


def tar(genuine, impostor, target):
    """The highest true accept rate at a threshold among the scores that keeps the false accept rate."""
    best = 0.0
    for cut in [*genuine, *impostor]:
        if sum(score >= cut for score in impostor) / len(impostor) <= target:
            best = max(best, sum(score >= cut for score in genuine) / len(genuine))
    return best
