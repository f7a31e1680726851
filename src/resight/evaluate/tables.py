"""Decisions as JSON and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resight.core import Decision

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def decisions_to_json(decisions: Sequence[Decision]) -> list[dict[str, Any]]:
    """One mapping per query, in the caller's order, with every name exactly as it is.

    Example:
        >>> from resight.core import Verdict
        >>> decisions_to_json([Decision("q.jpg", Verdict.NEW, None, 0.9, ())])[0]["verdict"]
        'new'
    """
    return [{**decision.to_json(), "candidates": list(decision.to_json()["candidates"])} for decision in decisions]


def decisions_to_csv(decisions: Sequence[Decision], *, spreadsheet_safe: bool = True) -> str:
    r"""One row per query: query, verdict, identity, probability, probability_new, then three columns per candidate.

    Those are `candidate_1, score_1, probability_1, candidate_2, …`, as many as the longest row
    needs; shorter rows end in empty cells. Numbers have nine digits, which hold a float32 exactly.

    Args:
        decisions: one per query, in the order of the rows.
        spreadsheet_safe: put an apostrophe before a name that a spreadsheet would run as a formula
            (it begins with `= + - @`, a tab or a line break). False writes every name as it is,
            for a program that joins by name.

    Example:
        >>> from resight.core import Verdict
        >>> decisions_to_csv([Decision("=1+1.jpg", Verdict.NEW, None, 0.9, ())])
        "query,verdict,identity,probability,probability_new\n'=1+1.jpg,new,,0.9,0\n"
    """
    k = max((len(decision.candidates) for decision in decisions), default=0)
    header = ["query", "verdict", "identity", "probability", "probability_new"]
    for place in range(1, k + 1):
        header += [f"candidate_{place}", f"score_{place}", f"probability_{place}"]
    rows = [_cells(decision, spreadsheet_safe=spreadsheet_safe) for decision in decisions]
    padded = [cells + [""] * (len(header) - len(cells)) for cells in rows]
    return "".join(f"{','.join(map(_quoted, cells))}\n" for cells in [header, *padded])


def write_decisions_csv(decisions: Sequence[Decision], out: str | Path, *, spreadsheet_safe: bool = True) -> Path:
    """Write `decisions_to_csv` as UTF-8 and give the path back."""
    text = decisions_to_csv(decisions, spreadsheet_safe=spreadsheet_safe)
    path = Path(out)
    path.write_bytes(text.encode("utf-8", "backslashreplace"))
    return path


def spreadsheet_safe_name(text: str) -> str:
    """The name, behind an apostrophe where a spreadsheet would run it as a formula.

    Example:
        >>> spreadsheet_safe_name("=1+1"), spreadsheet_safe_name("ann")
        ("'=1+1", 'ann')
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _cells(decision: Decision, *, spreadsheet_safe: bool) -> list[str]:
    def name(text: str) -> str:
        return spreadsheet_safe_name(text) if spreadsheet_safe else text

    cells = [name(decision.query), str(decision.verdict), name(decision.identity or ""), f"{decision.probability:.9g}"]
    cells.append(f"{decision.probability_new:.9g}")
    for candidate in decision.candidates:
        cells += [name(candidate.identity), f"{candidate.score:.9g}", f"{candidate.probability:.9g}"]
    return cells


def _quoted(cell: str) -> str:
    # the csv module of Python 3.11 leaves a lone carriage return bare, and then cannot read it back
    return '"{}"'.format(cell.replace('"', '""')) if any(sign in cell for sign in ',"\r\n') else cell
