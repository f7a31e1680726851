"""What all recipes have in common: they are read from TOML, written as TOML, and known by a fingerprint."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

from resight.config.options import Options
from resight.config.reading import fingerprint_of, parsed, text_of_recipe
from resight.config.writing import to_toml


class Recipe(Options):
    """A whole recipe.

    `kind` names the sort of recipe in its fingerprint, `shipped` the one that stands where none is asked for.
    """

    kind: ClassVar[str]
    shipped: ClassVar[str]

    @classmethod
    def default(cls) -> Self:
        """The recipe that ships with the package and is taken when no other is asked for."""
        return cls.read(cls.shipped)

    @classmethod
    def read(cls, recipe: str | Path) -> Self:
        """The recipe of a TOML file, or of one that ships by its name.

        Raises:
            UnknownNameError: when a bare name is neither a file nor a recipe that ships.
            InputError: when the file cannot be read.
            ConfigError: when it is no TOML, or a setting is unknown, of another kind or out of range.
        """
        return cls.parse(text_of_recipe(recipe), str(recipe))

    @classmethod
    def parse(cls, text: str, place: str = "recipe") -> Self:
        """The recipe of a TOML text; `place` names it in errors.

        Raises:
            ConfigError: as for `read`.
        """
        return parsed(cls, text, place)

    def to_toml(self) -> str:
        """Every setting as TOML text; `parse` gives the same recipe back."""
        return to_toml(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold; what is not set is left out."""
        return self.model_dump(mode="json", exclude_none=True)

    @property
    def fingerprint(self) -> str:
        """Changes when any setting does; the order of keys and the comments don't matter."""
        return fingerprint_of(self.kind, self.to_json())
