"""A mapping as TOML: values before tables, every text in quotes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def to_toml(values: Mapping[str, Any]) -> str:
    """The mapping as TOML text that reads back as the same mapping.

    Args:
        values: texts, whole and finite numbers, booleans, lists of them, and tables or lists of tables.

    Example:
        >>> print(to_toml({"same": ["side"], "fusion": {"how": "mean"}}))
        same = ["side"]
        <BLANKLINE>
        [fusion]
        how = "mean"
        <BLANKLINE>
    """
    return "\n".join(_lines(values, "")).strip("\n") + "\n"


def _lines(values: Mapping[str, Any], path: str) -> Iterator[str]:
    tables = {key: value for key, value in values.items() if isinstance(value, Mapping) or _is_tables(value)}
    yield from (f"{_key(key)} = {_value(value)}" for key, value in values.items() if key not in tables)
    for key, value in tables.items():
        name = path + _key(key)
        for one in value if isinstance(value, list) else [value]:
            yield from ("", f"[[{name}]]" if isinstance(value, list) else f"[{name}]")
            yield from _lines(one, f"{name}.")


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if bare else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value)


def _text(text: str) -> str:
    """A basic string: JSON escapes as TOML does, but for the one control character that JSON leaves alone."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
