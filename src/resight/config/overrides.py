"""A recipe with some of its keys set anew: by a command's option, or by a trial of tuning."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from resight.config.reading import checked
from resight.config.recipe import Recipe
from resight.errors import ConfigError

AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)

_BARE_WORD = re.compile(r"[A-Za-z_][\w./:@-]*")


def overridden(recipe: AnyRecipe, settings: Mapping[str, Any], place: str = "settings") -> AnyRecipe:
    """The recipe with some keys set anew, and checked as a whole.

    Args:
        recipe: stays as it is.
        settings: dotted key to value. A table of a list is named by its number, from 0, or by its name or kind:
            `stages.0.n_epochs`, `losses.arcface.margin_rad`. A whole table may be set, too. They are set in order.
        place: where the settings come from, for the sentence.

    Raises:
        ConfigError: when there is no such key, or a value is of another kind or out of range.

    Example:
        >>> from resight.config import TrainRecipe
        >>> overridden(TrainRecipe(), {"stages.all.side_px": 128, "sampling.balance": 0.5}).stages[0].side_px
        128
    """
    values = recipe.to_json()
    for key, value in settings.items():
        _set(values, key, value, place)
    return checked(type(recipe), values, place)


def setting_at(recipe: Recipe, key: str) -> Any:
    """The value of a dotted key; None where the recipe leaves it open.

    Raises:
        ConfigError: when there is no such key.
    """
    values = recipe.to_json()
    table, last = _table_of(values, key, "recipe")
    if isinstance(table, list):
        return table[_item(table, last, key, "recipe")]
    if last not in table:  # left open, or unknown
        overridden(recipe, {key: None}, "recipe")
    return table.get(last)


def setting_of(text: str) -> tuple[str, Any]:
    """Key and value of `key=value`; the value as TOML, a bare word as text.

    Raises:
        ConfigError: when it is neither.

    Example:
        >>> setting_of("stages.0.n_epochs=5"), setting_of("network.backbone=resnet18"), setting_of("same=['side']")
        (('stages.0.n_epochs', 5), ('network.backbone', 'resnet18'), ('same', ['side']))
    """
    key, sign, value = (part.strip() for part in text.partition("="))
    if not (key and sign and value):
        raise ConfigError(f"expected a setting as key=value, found '{text}'", key=key)
    try:
        found = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        found = {"value": value} if _BARE_WORD.fullmatch(value) else {}
    if list(found) != ["value"]:
        raise ConfigError(f"{key}: expected a value of TOML, such as 0.1 or 'text', found {value}", key=key)
    return key, found["value"]


def settings_of(texts: Sequence[str]) -> dict[str, Any]:
    """The settings of several `key=value`.

    Raises:
        ConfigError: when one is no setting, or a key comes twice.
    """
    found = [setting_of(text) for text in texts]
    keys = [key for key, _ in found]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ConfigError(f"expected each key once, found '{twice}' twice", key=twice)
    return dict(found)


def _set(values: dict[str, Any], key: str, value: Any, place: str) -> None:
    table, last = _table_of(values, key, place)
    if isinstance(table, list):
        table[_item(table, last, key, place)] = value
    else:
        table[last] = value


def _table_of(values: dict[str, Any], key: str, place: str) -> tuple[dict[str, Any] | list[Any], str]:
    """The table or list that holds a key, and the key in it; tables that are left open begin empty."""
    *path, last = key.split(".")
    table: Any = values
    for part in path:
        inner = table[_item(table, part, key, place)] if isinstance(table, list) else table.setdefault(part, {})
        if not isinstance(inner, dict | list):
            raise ConfigError(f"{place}, {key}: expected a table at '{part}', found {inner!r}", key=key)
        table = inner
    return table, last


def _item(table: list[Any], part: str, key: str, place: str) -> int:
    """The place in a list that a number, a name or a kind stands for."""
    names = [str(one.get("name", one.get("kind", ""))) if isinstance(one, dict) else "" for one in table]
    if part in names:
        return names.index(part)
    if part.isdecimal() and int(part) < len(table):
        return int(part)
    known = [name for name in names if name]
    listed = ", ".join([*known, *map(str, range(len(table)))]) or "no key below it, since it is empty"
    raise ConfigError(f"{place}, {key}: expected one of {listed}, found '{part}'.", key=part, known=known)
