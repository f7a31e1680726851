"""Judgements: what a person says of one photo, beside one candidate or by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from resight.errors import InputError

__all__ = ["Judgement", "Says"]

Says = Literal["same", "different", "unsure", "new", "poor"]
"""The photo shows that individual; it does not; nobody can tell; it shows a new one; it is too poor to tell."""

_OF_AN_INDIVIDUAL = ("same", "different", "unsure")


@dataclass(frozen=True)
class Judgement:
    """What a reviewer says of one photo, beside one candidate or by itself.

    Args:
        image_id: the photo.
        says: "same", "different", "unsure" (of an individual), "new" or "poor" (of the photo by itself).
        identity: the individual that it was compared with (same, different, unsure); of "new" the name wished for,
            None for the next free one; None of "poor".
        candidate_id: the photo of that individual that the reviewer looked at.
        seen: number of the last journal row of the photo that the reviewer saw, 0 when there was none; None asks for
            no check.
        model: fingerprint of the model that proposed the candidate.
        score: its score, higher is more alike.
        rank: its place among the candidates, from 1.
        filter: the candidate filter in force, column to value.

    Raises:
        InputError: when a name is blank or lacking, the photo is its own candidate, or a number is out of range.

    Example:
        >>> said = Judgement("a.jpg", "same", "Nala", candidate_id="b.jpg", seen=0)
        >>> Judgement.from_json(said.to_json()) == said
        True
    """

    image_id: str
    says: Says
    identity: str | None = None
    candidate_id: str | None = None
    seen: int | None = None
    model: str | None = None
    score: float | None = None
    rank: int | None = None
    filter: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Check the word, the names and the numbers."""
        if self.says not in get_args(Says):
            raise InputError(f"expected a judgement of {', '.join(get_args(Says))}, found {self.says!r}")
        self._check_names()
        self._check_numbers()
        if not all(isinstance(text, str) for pair in dict(self.filter).items() for text in pair):
            raise InputError(f"expected a filter of columns and values in text, found {self.filter}")
        object.__setattr__(self, "filter", dict(self.filter))

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold, without what is not known."""
        return {name: value for name, value in vars(self).items() if value is not None and value != {}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Judgement:
        """The judgement that `to_json` wrote.

        Raises:
            InputError: when a field is unknown or lacking, or as on construction.
        """
        try:
            return cls(**data)
        except TypeError as error:
            raise InputError(f"expected the fields of a judgement, found {sorted(data)}") from error

    def _check_names(self) -> None:
        told = {name: getattr(self, name) for name in ("image_id", "identity", "candidate_id", "model")}
        for name, value in told.items():
            if value is not None and not (isinstance(value, str) and value.strip()):
                raise InputError(f"expected a text that is not blank as {name}, found {value!r}")
        if self.image_id is None:
            raise InputError("expected the image id of the photo that is judged, found none: give it as image_id")
        if self.says in _OF_AN_INDIVIDUAL and self.identity is None:
            raise InputError(
                f"expected the individual that '{self.image_id}' was compared with, found no name: give it as identity"
            )
        if self.says == "poor" and self.identity is not None:
            raise InputError(f"expected no individual of a photo too poor to tell, found '{self.identity}'")
        if self.candidate_id == self.image_id:
            raise InputError(f"expected another photo to compare '{self.image_id}' with, found itself")

    def _check_numbers(self) -> None:
        for name, least in (("seen", 0), ("rank", 1)):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < least):
                raise InputError(f"expected {name} as a whole number of at least {least}, found {value!r}")
        if self.score is not None:
            if not math.isfinite(self.score):
                raise InputError(f"expected a finite score, found {self.score!r}")
            object.__setattr__(self, "score", float(self.score))  # a number of numpy's is none that JSON knows
