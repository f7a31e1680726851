"""TOML text to a model, or one sentence: the file, the line, the table, what was expected and what was found."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from resight.errors import ConfigError, InputError, UnknownNameError, nearest

Model = TypeVar("Model", bound=BaseModel)
Place = Sequence[str | int]
Fault = Mapping[str, Any]
"""What pydantic says of one fault: its type, loc, input and ctx."""

_SHIPPED = Path(__file__).parents[1] / "recipes"
_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_SHOWN = 60
_WANTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "string_too_short": "text",
    "tuple_type": "a list",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than_equal": "a number of at most {le:g}",
    "too_short": "at least {min_length} of them",
}


def text_of_recipe(recipe: str | Path) -> str:
    """The text of a recipe, by path, or by the name of one that ships with the package.

    Raises:
        UnknownNameError: when a bare name is neither a file nor a recipe that ships.
        InputError: when there is no such file, or it is no text.
    """
    path = Path(recipe)
    if path.name == str(recipe) and not path.suffix and not path.exists():
        names = sorted(one.stem for one in _SHIPPED.glob("*.toml"))
        if path.name not in names:
            raise UnknownNameError("recipe", path.name, names)
        path = _SHIPPED / f"{path.name}.toml"
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"expected a recipe in {path}, found: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"expected a recipe in {path} as UTF-8 text, found other bytes: save it as UTF-8") from error


def parsed(model: type[Model], text: str, place: str) -> Model:
    """The model that a TOML text describes.

    Args:
        model: what it describes.
        text: the TOML.
        place: where it comes from, for the sentence.

    Raises:
        ConfigError: when it is no TOML, or a key is unknown, missing, of another kind or out of range.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{place}: expected TOML, found otherwise: {error}", key="") from error
    return _validated(model, values, text, place)


def checked(model: type[Model], values: Mapping[str, Any], place: str) -> Model:
    """The model of a mapping that stands in no file.

    Args:
        model: what it describes.
        values: as TOML would hold them.
        place: where it comes from, for the sentence.

    Raises:
        ConfigError: when a key is unknown, missing, of another kind or out of range.
    """
    return _validated(model, values, "", place)


def _validated(model: type[Model], values: Mapping[str, Any], text: str, place: str) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _as_config_error(error.errors(include_url=False)[0], model, values, text, place) from None


def fingerprint_of(kind: str, values: Mapping[str, Any]) -> str:
    """The kind and 16 hexadecimal characters that stand for these values."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=True)
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _as_config_error(
    error: Fault, model: type[BaseModel], values: Mapping[str, Any], text: str, place: str
) -> ConfigError:
    path = _in_the_file(error["loc"], values)
    if error["type"].startswith("union_tag"):
        path = [*path, "kind"]
    is_item = bool(path) and isinstance(path[-1], int) and not isinstance(error["input"], Mapping)
    table, key = (path[:-2], str(path[-2])) if is_item else (path[:-1], str(path[-1])) if path else ([], "")
    line = _line_of(text, table, key)
    where = ", ".join(filter(None, [place, f"line {line}" if line else "", _written(table)]))
    if error["type"] == "extra_forbidden":
        known = _fields_at(model, error["loc"][:-1])
        message = f"{where}: expected a key among {', '.join(known)}, found '{key}'."
        return ConfigError(message, key=key, known=known)
    message, choices = _sentence(error)
    near = nearest(str(_given(error)), choices)
    hint = f". Did you mean '{near}'?" if near else ""
    return ConfigError(f"{', '.join(filter(None, [where, key]))}: {message}{hint}", key=key)


def _sentence(error: Fault) -> tuple[str, list[str]]:
    """What was expected and found, and the words that would have been right."""
    context, kind = error.get("ctx", {}), error["type"]
    if kind == "value_error":
        return str(context["error"]), []
    choices = re.findall(r"'([^']*)'", str(context.get("expected", context.get("expected_tags", ""))))
    if kind.startswith("union_tag"):
        return (
            f"expected one of {', '.join(choices) or 'the kinds that there are'}, found {_shown(_given(error))}",
            choices,
        )
    usual = error["msg"].removeprefix("Input should be ")
    wanted = _WANTED[kind].format(**context) if kind in _WANTED else usual
    return f"expected {wanted}, found {_shown(error['input'])}", choices


def _given(error: Fault) -> Any:
    """What stood there; of a table without a right kind, the kind."""
    found = error["input"]
    is_kind = error["type"].startswith("union_tag") and isinstance(found, Mapping)
    return found.get("kind", "none") if is_kind else found


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _in_the_file(loc: Place, values: Any) -> list[str | int]:
    """The way to the fault as it stands in the file: without the kinds, which choose a model and are no keys."""
    path: list[str | int] = []
    in_list = False
    for part in loc:
        is_table = isinstance(values, Mapping)
        if in_list and is_table and values.get("kind") == part:
            in_list = False
            continue
        in_list = isinstance(part, int)
        path.append(part)
        values = values[part] if (part in values if is_table else in_list) else None
    return path


def _fields_at(model: type[BaseModel], loc: Place) -> list[str]:
    """The keys of the table at a place, where a kind has chosen among several."""
    found = [model]
    for part in loc:
        if isinstance(part, str):
            chosen = [one for one in found if len(found) > 1 and one.model_fields["kind"].default == part]
            found = chosen or list(_models_in(found[0].model_fields[part].annotation))
    return list(found[0].model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _written(table: Place) -> str:
    """A table as a reader of the file finds it: its header, and which one of several."""
    if not table:
        return ""
    names = ".".join(str(part) for part in table if isinstance(part, str))
    numbers = [part + 1 for part in table if isinstance(part, int)]
    return f"[[{names}]] number {numbers[-1]}" if numbers else f"[{names}]"


def _line_of(text: str, table: Place, key: str) -> int | None:
    """The line of a key in a table; else that of the table's header; None where it is written in another way."""
    seen: dict[str, int] = {}
    here: list[str | int] = []
    of_header = None
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header:
            name = header[2]
            seen[name] = seen.get(name, -1) + 1
            here = [part.strip(" \"'") for part in name.split(".")]
            if here == [*table, key]:
                return number
            here += [seen[name]] if header[1] == "[[" else []
        if here == list(table):
            of_header = of_header or number
            if re.match(rf"""\s*["']?{re.escape(key)}["']?\s*=""", line):
                return number
    return of_header if table else None
