"""Clusters while they change: what each holds, as far as it decides who may join it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from resight.decide.constraints import Blocks

_UNKNOWN = -1


class Clusters:
    """Clusters of blocks, joined two by two, or block by block.

    At first each block is a cluster of its own, with its number.

    Args:
        blocks: the blocks, and what is known of them.
    """

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self.size: list[int] = blocks.sizes.tolist()
        self.members: list[set[int]] = [{block} for block in range(len(blocks))]
        self._agree = [codes.tolist() for codes in blocks.agree]
        self._sides = [[dict(tally) for tally in column] for column in blocks.sides]
        self._enemies = {block: set(others) for block, others in blocks.enemies.items()}
        self.of_block = list(range(len(blocks)))
        self._empty: list[int] = []

    def may_join(self, one: int, other: int) -> bool:
        """Whether two clusters can be one individual."""
        if other in self._enemies.get(one, ()):
            return False
        for codes in self._agree:
            if codes[one] != codes[other] and codes[one] != _UNKNOWN and codes[other] != _UNKNOWN:
                return False
        return all(_meet(column[one], column[other]) for column in self._sides)

    def n_photos_of(self, block: int) -> int:
        """The photos of a block."""
        return int(self._blocks.sizes[block])

    def n_pairs(self, one: int, other: int) -> float:
        """How many pairs of photos of two clusters can be compared; those of two sides cannot."""
        every = self.size[one] * self.size[other]
        if not self._sides:
            return every
        n = float(every)
        for column in self._sides:
            n *= _n_comparable(column[one], column[other], self.size[one], self.size[other]) / every
        return n

    def join(self, one: int, other: int) -> None:
        """Make two clusters one, which keeps the first number; the other is empty then."""
        for block in self.members[other]:
            self.of_block[block] = one
        self.members[one] |= self.members[other]
        self.members[other] = set()
        self._empty.append(other)
        self.size[one] += self.size[other]
        self.size[other] = 0
        for codes in self._agree:
            codes[one], codes[other] = max(codes[one], codes[other]), _UNKNOWN
        for column in self._sides:
            _add(column[one], column[other], 1)
            column[other] = {}
        enemies = self._enemies.pop(other, set())
        for enemy in enemies:
            self._enemies[enemy].discard(other)
            self._enemies[enemy].add(one)
        if enemies:
            self._enemies.setdefault(one, set()).update(enemies)

    def take_out(self, block: int) -> int:
        """Take a block out of its cluster into an empty one, whose number is given back."""
        old = self.of_block[block]
        if len(self.members[old]) == 1:
            return old
        self.members[old].discard(block)
        self.size[old] -= int(self._blocks.sizes[block])
        for codes, told in zip(self._agree, self._blocks.agree, strict=True):
            codes[old] = max((int(told[member]) for member in self.members[old]), default=_UNKNOWN)
        for column, tallies in zip(self._sides, self._blocks.sides, strict=True):
            _add(column[old], tallies[block], -1)
        self._set_enemies(old)
        return self._alone(block)

    def _alone(self, block: int) -> int:
        free = self._empty.pop()
        self.members[free] = {block}
        self.of_block[block] = free
        self.size[free] = int(self._blocks.sizes[block])
        for codes, told in zip(self._agree, self._blocks.agree, strict=True):
            codes[free] = int(told[block])
        for column, tallies in zip(self._sides, self._blocks.sides, strict=True):
            column[free] = dict(tallies[block])
        self._set_enemies(free)
        return free

    def _set_enemies(self, cluster: int) -> None:
        told = self._blocks.enemies
        found = {self.of_block[enemy] for member in self.members[cluster] for enemy in told.get(member, ())}
        for gone in self._enemies.pop(cluster, set()) - found:
            self._enemies[gone].discard(cluster)
        if found:
            self._enemies[cluster] = found
        for enemy in found:
            self._enemies.setdefault(enemy, set()).add(cluster)


def _meet(one: Iterable[int], other: Iterable[int]) -> bool:
    """Whether two tallies of sides share one, or either knows none."""
    known, others = set(one) - {_UNKNOWN}, set(other) - {_UNKNOWN}
    return not known or not others or not known.isdisjoint(others)


def _n_comparable(one: dict[int, int], other: dict[int, int], size: int, other_size: int) -> int:
    unknown, other_unknown = one.get(_UNKNOWN, 0), other.get(_UNKNOWN, 0)
    same = sum(n * other.get(side, 0) for side, n in one.items() if side != _UNKNOWN)
    return same + unknown * other_size + other_unknown * size - unknown * other_unknown


def _add(tally: dict[int, int], more: Mapping[int, int], sign: int) -> None:
    for side, n in more.items():
        tally[side] = tally.get(side, 0) + sign * n
        if not tally[side]:
            del tally[side]
