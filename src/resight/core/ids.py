"""Ids: how a list of them is read, checked and looked up, the same way in every noun."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.errors import InputError, UnknownNameError

__all__ = ["as_text", "check_ids", "chosen_rows", "rows_of"]


def as_text(values: npt.ArrayLike, what: str) -> npt.NDArray[np.str_]:
    """A fresh text array of the same shape; whole numbers become text, nothing else does.

    Raises:
        InputError: when a value is neither text nor a whole number: None and NaN never become
            the names 'None' and 'nan', and a NUL character, which numpy would drop, is no name.
    """
    array = values if isinstance(values, np.ndarray) else np.array(values, dtype=object)
    plain = array.dtype.kind in "Uiu" or (array.dtype.kind == "O" and all(_is_plain(value) for value in array.flat))
    if array.size and not plain:
        raise InputError(f"expected {what} as text, found {_described(array)}")
    return array.astype(np.str_)


def check_ids(ids: npt.NDArray[np.str_], what: str) -> None:
    """Refuse a list of ids that is not flat, or that holds an empty or a doubled one.

    Raises:
        InputError: with the first id that is wrong.
    """
    if ids.ndim != 1:
        raise InputError(f"expected {what} in one flat list, found the shape {ids.shape}")
    if (ids == "").any():
        raise InputError(f"expected {what} of at least one character, found an empty one in row {np.argmax(ids == '')}")
    series = pl.Series(ids, dtype=pl.String)
    if series.n_unique() < len(series):
        again = series.filter(series.is_duplicated())[0]
        raise InputError(f"expected {what} to differ from each other, found {again!r} again")


def chosen_rows(which: Any, ids: pl.Series, kind: str) -> npt.NDArray[np.int64]:
    """The row numbers that a selection means.

    Args:
        which: a boolean mask, row numbers from 0, or ids; one flat list.
        ids: (N,) the ids of all rows.
        kind: what an id belongs to, in the singular, for the message ("photo", "query").

    Raises:
        UnknownNameError: when an id is not among them.
        InputError: when a mask has another length, a row number lies outside 0 to N - 1, or
            the selection is of another kind. A row number of -1 is refused, never read as the
            last row: it is what a search without a result gives.
    """
    keys = np.asarray(which)
    if keys.ndim != 1:
        raise InputError(f"expected one flat list to choose each {kind} by, found {_described(keys)}")
    if keys.dtype.kind == "b":
        if len(keys) != len(ids):
            raise InputError(f"expected a mask of {len(ids)} values, one for each {kind}, found {len(keys)}")
        return np.flatnonzero(keys)
    if not keys.size:
        return np.zeros(0, dtype=np.int64)
    if keys.dtype.kind in "iu":
        wrong = (keys < 0) | (keys >= len(ids))
        if wrong.any():
            raise InputError(f"expected row numbers from 0 to {len(ids) - 1}, found {keys[wrong][0]}")
        return keys.astype(np.int64)
    if keys.dtype.kind == "U" or (keys.dtype.kind == "O" and all(isinstance(key, str) for key in keys)):
        return rows_of(keys, ids, kind)
    raise InputError(f"expected ids, row numbers or a mask to choose each {kind} by, found {_described(keys)}")


def rows_of(wanted: npt.ArrayLike, ids: pl.Series, kind: str) -> npt.NDArray[np.int64]:
    """The row number of each wanted id, in the order asked for.

    Raises:
        UnknownNameError: when an id is not among them; names the nearest one.
    """
    names = as_text(wanted, f"the id of each {kind}")
    table = pl.DataFrame({"id": ids.cast(pl.String), "row": pl.int_range(len(ids), eager=True)})
    asked = pl.DataFrame({"id": pl.Series(names, dtype=pl.String)})
    rows = asked.join(table, on="id", how="left", maintain_order="left")["row"]
    if rows.null_count():
        raise UnknownNameError(kind, str(names[rows.is_null().arg_max()]), ids.to_list())
    return rows.to_numpy().astype(np.int64)


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return "\0" not in value
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _described(array: npt.NDArray[Any]) -> str:
    example = f", such as {array.flat[0]!r}" if array.size else ""
    return f"{array.dtype} of shape {array.shape}{example}"
