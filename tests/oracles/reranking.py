"""Neighbours, expansion, k-reciprocal scores and cohorts by plain loops: slow, and simple enough to be right."""

from __future__ import annotations

import math

import numpy as np

from oracles.search import may_answer, score


def neighbours(queries, gallery, rule, query, k):
    """The k best of those that may answer a query and are not itself: (score, row of the gallery); ties by id."""
    found = [
        (score(queries.vectors[query], gallery.vectors[photo]), str(gallery.image_ids[photo]), photo)
        for photo in range(len(gallery))
        if may_answer(rule, query, photo) and gallery.image_ids[photo] != queries.image_ids[query]
    ]
    return [(s, photo) for s, _, photo in sorted(found, key=lambda one: (-one[0], one[1]))[:k]]


def expanded(queries, gallery, rule, k, alpha):
    """Each query plus its weighted neighbours, at length 1."""
    rows = []
    for query in range(len(queries)):
        total = [float(value) for value in queries.vectors[query]]
        for cosine, photo in neighbours(queries, gallery, rule, query, k):
            weight = float(cosine) ** alpha if cosine > 0 else 0.0
            total = [t + weight * float(v) for t, v in zip(total, gallery.vectors[photo], strict=True)]
        length = math.sqrt(math.fsum(t * t for t in total))
        rows.append([t / length for t in total])
    return np.array(rows).reshape(len(queries), queries.dimension)


def _full_set(first, back, half):
    """The mutual neighbours, and those of each one most of whose own mutual neighbours are among them."""
    mutual = {photo for photo in first if back(photo)}
    wide = set(mutual)
    for photo in mutual:
        if 3 * len(half[photo] & mutual) >= 2 * len(half[photo]):
            wide |= half[photo]
    return wide


def _weights(vector, gallery, members):
    raw = {photo: math.exp(float(score(vector, gallery.vectors[photo])) - 1) for photo in members}
    total = sum(raw.values())
    return {photo: value / total for photo, value in raw.items()}


def _mean(parts):
    keys = set().union(*parts) if parts else set()
    return {key: sum(part.get(key, 0.0) for part in parts) / len(parts) for key in keys}


class Reciprocal:
    """k-reciprocal scores of one gallery, photo by photo, with sets and mappings."""

    def __init__(self, gallery, k1, k2, weight):
        self.gallery, self.k1, self.k2, self.weight = gallery, k1, k2, weight
        everyone = range(len(gallery))
        self.lists = [neighbours(gallery, gallery, Eligible(), photo, k1) for photo in everyone]
        near = [{photo, *(other for _, other in self.lists[photo])} for photo in everyone]
        n_half = max(1, round(k1 / 2))
        half = [{photo, *(other for _, other in self.lists[photo][:n_half])} for photo in everyone]
        self.half = [{other for other in half[photo] if photo in half[other]} for photo in everyone]
        self.plain = []
        for photo in everyone:
            members = _full_set(near[photo], lambda other, photo=photo: photo in near[other], self.half)
            self.plain.append(_weights(gallery.vectors[photo], gallery, members))
        self.averaged = [
            _mean([self.plain[photo], *(self.plain[other] for _, other in self.lists[photo][: k2 - 1])])
            for photo in everyone
        ]

    def scores(self, queries, rule, query):
        """The score of each photo that may answer a query, by row."""
        vector = queries.vectors[query]
        eligible = {photo for _, photo in neighbours(queries, self.gallery, rule, query, len(self.gallery))}
        first = neighbours(queries, self.gallery, rule, query, self.k1)
        cosine = {photo: value for value, photo in first}

        def back(photo):
            return len(self.lists[photo]) < self.k1 or cosine[photo] >= self.lists[photo][-1][0]

        members = _full_set([photo for _, photo in first], back, self.half) & eligible
        own = _weights(vector, self.gallery, members)
        mean = _mean([own, *(self.plain[photo] for _, photo in first[: self.k2 - 1])])
        mine = {photo: value for photo, value in mean.items() if photo in eligible}
        total = sum(mine.values())
        mine = {photo: value / total for photo, value in mine.items()}
        return {photo: self._score(vector, mine, photo) for photo in eligible}

    def _score(self, vector, mine, photo):
        theirs = self.averaged[photo]
        keys = set(mine) | set(theirs)
        least = sum(min(mine.get(key, 0.0), theirs.get(key, 0.0)) for key in keys)
        most = sum(max(mine.get(key, 0.0), theirs.get(key, 0.0)) for key in keys) if mine else 1.0
        cosine = float(score(vector, self.gallery.vectors[photo]))
        return (1 - self.weight) * least / most + self.weight * cosine


class Eligible:
    """A rule that permits everything."""

    differ = agree = ()


def offset(scores, n_top):
    """Mean and deviation of the best scores of one photo, those not compared left out."""
    known = sorted((value for value in scores if math.isfinite(value)), reverse=True)[:n_top]
    if not known:
        return math.nan, math.nan
    mean = math.fsum(known) / len(known)
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in known) / len(known))
