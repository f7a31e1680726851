"""Every error that resight raises on purpose.

```
ResightError
├── InputError(ValueError)
│   ├── CatalogueError       a row or column of a label table is wrong
│   ├── ImageError           a photo cannot be read
│   └── ConfigError          a setting is unknown or out of range
├── MismatchError(ValueError)        model, scale, dimension or version do not belong together
├── UnknownNameError(LookupError)    a name that nothing answers to; lists the known ones
├── NotFittedError(RuntimeError)     something was asked that needs a fit first
├── MissingExtraError(ImportError)   an optional dependency is absent; names the pip command
└── StoreError                       a catalogue on disk is locked, newer, broken or absent
    └── ConflictError        someone else changed the same photos meanwhile
```

A message says what was expected, what was found, where, and what to do about it.
Each class also derives from the built-in that a caller would expect to catch.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

__all__ = [
    "CatalogueError",
    "ConfigError",
    "ConflictError",
    "ImageError",
    "InputError",
    "MismatchError",
    "MissingExtraError",
    "NotFittedError",
    "ResightError",
    "StoreError",
    "UnknownNameError",
    "nearest",
]

_LISTED = 20
_COMPARED = 10_000


class ResightError(Exception):
    """The root of the tree: `except ResightError` catches all that resight raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Let an error travel whole from a worker process, though its arguments became a sentence."""
        return _rebuilt, (type(self), self.args, self.__dict__)


class InputError(ResightError, ValueError):
    """What the caller handed in is wrong."""


class CatalogueError(InputError):
    """A label table is wrong.

    Args:
        message: what was expected, what was found, and the remedy.
        row: zero-based row of the table, when one row is to blame.
        column: name of the column, when one column is to blame.
    """

    def __init__(self, message: str, *, row: int | None = None, column: str | None = None) -> None:
        place = [f"row {row}" if row is not None else "", f"column '{column}'" if column else ""]
        where = ", ".join(part for part in place if part)
        super().__init__(f"{where}: {message}" if where else message)
        self.row = row
        self.column = column


class ImageError(InputError):
    """A photo cannot be read.

    Args:
        path: the photo.
        reason: why, in words a user understands.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason


class ConfigError(InputError):
    """A setting is unknown or out of range.

    Args:
        message: what was expected, what was found, and the remedy.
        key: the setting.
        known: the settings that exist, to name the nearest one.
    """

    def __init__(self, message: str, *, key: str, known: Iterable[str] = ()) -> None:
        self.key = key
        self.nearest = nearest(key, known)
        hint = f" Did you mean '{self.nearest}'?" if self.nearest else ""
        super().__init__(message + hint)


class MismatchError(ResightError, ValueError):
    """Two things do not belong together: another model, scale, dimension or version."""


class UnknownNameError(ResightError, LookupError):
    """A name that nothing answers to.

    Args:
        kind: what was looked for, in the singular ("metric", "model").
        name: the name that was given.
        known: the names that exist.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.name = name
        self.known = sorted(known)
        self.nearest = nearest(name, self.known)
        hint = f" Did you mean '{self.nearest}'?" if self.nearest else ""
        more = f" and {len(self.known) - _LISTED:,} more" if len(self.known) > _LISTED else ""
        listed = (", ".join(self.known[:_LISTED]) or "none") + more
        super().__init__(f"no {kind} is called '{name}'.{hint} Known: {listed}.")


class NotFittedError(ResightError, RuntimeError):
    """Something was asked that needs a fit first, such as a threshold of an uncalibrated catalogue."""


class MissingExtraError(ResightError, ImportError):
    """An optional dependency is absent.

    Args:
        package: the package that could not be imported.
        extra: the extra of resight that brings it.
        job: what needs it.
    """

    def __init__(self, package: str, extra: str, job: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(f"{job} needs {package}: run  pip install 'resight[{extra}]'")


class StoreError(ResightError):
    """A catalogue on disk is locked, newer than this version, broken or absent; or the server of vectors is away."""


class ConflictError(StoreError):
    """Someone else changed the same photos meanwhile; nothing was written.

    Args:
        message: which photo, what was seen of it, and what stands now.
        theirs: the journal row that stands now, as JSON; None when there is none.
        yours: what was asked for, as JSON.
    """

    def __init__(self, message: str, *, theirs: Mapping[str, Any] | None, yours: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.theirs = theirs
        self.yours = yours


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `name`, or None when none comes near.

    It looks at the first 10,000 names only, so that an error never takes seconds.
    """
    found = difflib.get_close_matches(name, list(islice(known, _COMPARED)), n=1, cutoff=0.6)
    return found[0] if found else None


def _rebuilt(kind: type[ResightError], args: tuple[Any, ...], state: dict[str, Any]) -> ResightError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error
