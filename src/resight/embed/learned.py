"""What a trained bundle says of its training."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
Text = Annotated[str, Field(min_length=1)]
Figure = dict[str, float | int | None]


_MARK_LETTERS = 16


def learned_mark(content: str) -> str:
    """What a bundle keeps of a photo that it learned: the first 64 bits of its file's fingerprint, in hexadecimal."""
    return content[:_MARK_LETTERS]


class Learned(BaseModel):
    """The part of `model.json` on what was learned, on what, and how good it is.

    Args:
        base: `model_id` of the bundle that it was learned on.
        method: what was learned, such as "head lda".
        setting: the values that were chosen among those tried.
        photos: fingerprint of the photos, names and vectors.
        n_photos: that it was learned from.
        n_individuals: on them.
        seed: of all that was drawn.
        recipe: all settings.
        versions: of the programs that took part, by name.
        figures: cross-validated, on individuals that took no part: measure to value, low, high, n, level.
        baseline: the same of the base.
        gains: the same of the difference.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: Text
    method: Text
    setting: str
    photos: Text
    n_photos: Count
    n_individuals: Count
    seed: int
    recipe: dict[str, Any]
    versions: dict[str, str]
    figures: dict[str, Figure]
    baseline: dict[str, Figure]
    gains: dict[str, Figure]
