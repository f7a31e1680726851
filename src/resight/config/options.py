"""What all tables of a recipe have in common: nothing unknown, nothing converted, nothing changed later."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _selection(text: str) -> str:
    if not re.fullmatch(r"split:.+|[^=:]+=.+", text):
        raise ValueError(f'expected "column=value" or "split:name", found "{text}"')
    return text


LearnFrom = Annotated[str, AfterValidator(_selection)]
"""Which photos are learned from: "column=value,value", or "split:name", the train side of a kept split."""

T = TypeVar("T")

Names = Annotated[tuple[T, ...], Field(strict=False)]
"""A list of TOML, kept as a tuple."""


class Options(BaseModel):
    """A table of a recipe: frozen, and checked when it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=False)


class NamedOptions(Options):
    """A table that is one of several of its sort, each with a `kind` and a name of its own."""

    name: Annotated[str, Field(min_length=1)] | None = None

    @property
    def title(self) -> str:
        """Its name, else its kind."""
        return self.name or str(self.kind)  # type: ignore[attr-defined]  # every kind has one


def named_twice(tables: Iterable[NamedOptions]) -> str | None:
    """The first title that two tables share; None when each has its own."""
    titles = [table.title for table in tables]
    return next((title for title in titles if titles.count(title) > 1), None)
