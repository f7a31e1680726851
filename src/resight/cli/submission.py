"""Submissions on the command line: the options of `identify`, and what it tells about them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from resight.errors import InputError

if TYPE_CHECKING:
    from resight.embed import Failure, Remark
    from resight.pipeline import Form, Identification, PairScores

_MOST_FAILURES = 20
Out = Annotated[Path | None, typer.Option(help="Write a submission here.")]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="Its format: humpback, happywhale, landmarks, kryptonite (pairs of photos), animalclef or clusters. "
        "Default: that of the sample.",
    ),
]
Sample = Annotated[Path | None, typer.Option(help="Sample submission: only its ids are answered, in its order.")]


def form_to_fill(format_name: str | None, sample: Path | None, out: Path | None) -> Form | None:
    """The form that the options name; None when none of them is given.

    Raises:
        InputError: when one is given without those that it needs, or the sample is wrong.
    """
    from resight.pipeline import Form

    if out is None and format_name is None and sample is None:
        return None
    if out is None:
        raise InputError("expected --out FILE beside --format and --sample, to say where the submission goes")
    if out.is_dir():
        raise InputError(f"expected a file for the submission, found the folder {out}")
    if sample is not None and out.exists() and sample.exists() and out.samefile(sample):
        raise InputError(f"expected another file for the submission than its sample, found {out} for both")
    return Form.of_file(format_name, sample)


def compare(photos: Path, catalogue: Path, form: Form, *, as_json: bool, **options: Any) -> PairScores:
    """Compare pairs of photos and print a line for each."""
    from resight.pipeline import compare_pairs

    pairs = compare_pairs(photos, catalogue, only=form.asked, **options)
    list_failures(pairs.failures)
    if as_json:
        typer.echo(json.dumps(pairs.to_json(), indent=2))
        return pairs
    for name, score in zip(pairs.ids, pairs.scores.tolist(), strict=True):
        typer.echo(f"{'not compared' if math.isnan(score) else format(score, '12.4f')}  {name}")
    return pairs


def tell_submission(found: Identification | PairScores, form: Form | None, out: Path | None) -> None:
    """Write the submission that was asked for, if one was, and say so."""
    from resight.pipeline import write_submission

    if form is None or out is None:
        return
    done = write_submission(found, form, out)
    for note in done.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"submission: {done.path} ({done.format}, {done.n_rows} rows)", err=True)


def list_remarks(remarks: tuple[Remark, ...]) -> None:
    """Say what there is to say of single photos; of very many only the first ones."""
    for remark in remarks[:_MOST_FAILURES]:
        typer.echo(f"remark: {remark.path}: {remark.text}", err=True)
    if len(remarks) > _MOST_FAILURES:
        typer.echo(f"remark: and {len(remarks) - _MOST_FAILURES:,} more (all of them with --json)", err=True)


def list_failures(failures: tuple[Failure, ...]) -> None:
    """Say of the photos that could not be read why; of very many only the first ones."""
    for failure in failures[:_MOST_FAILURES]:
        typer.echo(f"unreadable: {failure.path}: {failure.reason}", err=True)
    if len(failures) > _MOST_FAILURES:
        typer.echo(f"unreadable: and {len(failures) - _MOST_FAILURES:,} more (all of them with --json)", err=True)
