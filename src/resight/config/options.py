"""What all tables of a recipe have in common: nothing unknown, nothing converted, nothing changed later."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

Names = Annotated[tuple[T, ...], Field(strict=False)]
"""A list of TOML, kept as a tuple."""


class Options(BaseModel):
    """A table of a recipe: frozen, and checked when it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=False)
