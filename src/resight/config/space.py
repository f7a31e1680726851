"""The space that tuning searches: which keys of a recipe, and in which range or among which values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from resight.config.options import Names, Options
from resight.config.overrides import overridden
from resight.config.recipe import Recipe

Key = Annotated[str, Field(min_length=1)]


class _Bounded(Options):
    """What numbers between two bounds have in common.

    Args:
        key: dotted, such as `stages.0.learning_rate` or `losses.arcface.margin_rad`.
        log: draw by the order of magnitude.
    """

    key: Key
    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"expected low below high for {self.key}, found {self.low:g} and {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"expected low above 0 for {self.key}, since log is set, found {self.low:g}")
        return self

    def holds(self, value: Any) -> bool:
        """Whether a value lies in the range."""
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high

    @property
    def extremes(self) -> tuple[Any, ...]:
        """Values that a recipe must take for all of them to be taken."""
        return self.low, self.high


class RangeParameter(_Bounded):
    """A number.

    Args:
        low: the least, which counts.
        high: the largest, which counts.
    """

    kind: Literal["range"] = "range"


class WholeParameter(_Bounded):
    """A whole number.

    Args:
        low: the least, which counts.
        high: the largest, which counts.
    """

    kind: Literal["whole"] = "whole"
    low: int
    high: int

    def holds(self, value: Any) -> bool:
        """Whether a value is a whole number in the range."""
        return isinstance(value, int) and super().holds(value)


class ChoiceParameter(Options):
    """One of several values: numbers, texts, lists, or whole tables such as a loss.

    Args:
        key: dotted, such as `photos.mirror`.
        choices: at least two, without order.
    """

    kind: Literal["choice"] = "choice"
    key: Key
    choices: Annotated[Names[Any], Field(min_length=2)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.labels)) < len(self.labels):
            raise ValueError(f"expected different choices for {self.key}, found one twice")
        n_tables = sum(isinstance(choice, Mapping) for choice in self.choices)
        if n_tables not in {0, len(self.choices)}:
            raise ValueError(f"expected tables only or none among the choices for {self.key}, found both")
        return self

    @property
    def labels(self) -> list[str]:
        """Each choice as text."""
        return [label_of(choice) for choice in self.choices]

    @property
    def extremes(self) -> tuple[Any, ...]:
        """Values that a recipe must take for all of them to be taken."""
        return self.choices


Parameter = Annotated[RangeParameter | WholeParameter | ChoiceParameter, Field(discriminator="kind")]


class SpaceRecipe(Recipe):
    r"""What tuning may change in a recipe.

    Args:
        parameters: the keys, each once.

    Raises:
        ConfigError: when a setting is unknown, of another kind or out of range.

    Example:
        >>> text = "[[parameters]]\nkind = 'range'\nkey = 'sampling.balance'\nlow = 0.0\nhigh = 1.0"
        >>> SpaceRecipe.parse(text).parameters[0].holds(0.5)
        True
    """

    kind: ClassVar[str] = "space"
    shipped: ClassVar[str] = "space"

    parameters: Annotated[Names[Parameter], Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        keys = [one.key for one in self.parameters]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise ValueError(f"expected each key once, found '{twice}' twice")
        return self

    def require_fits(self, recipe: Recipe) -> None:
        """Refuse what the recipe would not take, before any work.

        Raises:
            ConfigError: when a key is not in the recipe, or it takes not all values.
        """
        for settings in self._probes():
            overridden(recipe, settings, "space")

    def _probes(self) -> Iterator[dict[str, Any]]:
        """Each parameter's extreme values, one at a time."""
        for one in self.parameters:
            yield from ({one.key: value} for value in one.extremes)


def label_of(value: Any) -> str:
    """A value as short text; equal values have equal texts.

    Example:
        >>> label_of(1.0), label_of("same"), label_of(["side"]), label_of({"kind": "arcface", "scale": 16.0})
        ('1', 'same', '["side"]', '{"kind": "arcface", "scale": 16.0}')
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
