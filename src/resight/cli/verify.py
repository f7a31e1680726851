"""Pairs of photos: are the two the same individual?"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from resight.cli.options import Json, Labels, Seed, Strict
from resight.cli.submission import list_failures

if TYPE_CHECKING:
    from resight.pipeline import Verification

_Pairs = Annotated[
    Path,
    typer.Argument(help="Table path_a,path_b[,same][,pair_id][,kind], or a folder of folders <pair_id>/0.jpg, 1.jpg."),
]
_Photos = Annotated[Path | None, typer.Option(help="Folder of photos. Default: the one that the table lies in.")]
_Model = Annotated[str | None, typer.Option(help="Bundle, by name or path. Default: the shipped one.")]
_Out = Annotated[
    Path | None,
    typer.Option(help="Folder for submission.csv, pairs.csv, report.html, verification.json and the vectors."),
]
_CalibrateOn = Annotated[Path | None, typer.Option(help="Other labelled pairs to fit the probabilities on.")]
_Sample = Annotated[Path | None, typer.Option(help="Sample submission: only its ids are answered, in its order.")]
_Per = Annotated[list[str] | None, typer.Option(help="Column whose values get measures of their own; may be repeated.")]
_Share = Annotated[
    float | None,
    typer.Option(help="Share of pairs of one individual, for the probabilities. Default: as among the labelled pairs."),
]
_Forgery = Annotated[
    Path | None,
    typer.Option(
        help="Forgery head, as  resight train forgery  writes it: the right face on a forged photo is refused."
    ),
]
_Resamples = Annotated[int, typer.Option("--resamples", min=0, help="Resamples of persons for the intervals.")]


def verify(
    pairs: _Pairs,
    photos: _Photos = None,
    labels: Labels = None,
    model: _Model = None,
    out: _Out = None,
    calibrate_on: _CalibrateOn = None,
    sample: _Sample = None,
    forgery: _Forgery = None,
    per: _Per = None,
    share_same: _Share = None,
    n_resamples: _Resamples = 1000,
    seed: Seed = 0,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Say of each pair of photos how alike they are, and how probably they show the same individual.

    Example:  resight verify pairs.csv --photos faces --out verified

    Example:  resight verify test_public --out verified --sample sample_submission.csv

    Example:  resight verify test_pairs.csv --forgery forgery-head --calibrate-on val_pairs.csv --out verified
    """
    from resight.pipeline import verify_pairs
    from resight.pipeline.forgery import ForgeryEvidence

    options: dict[str, Any] = {"photos": photos, "labels": labels, "model": model, "out": out, "sample": sample}
    options |= {"calibrate_on": calibrate_on, "share_same": share_same, "per": per or ()}
    options["evidence"] = () if forgery is None else (ForgeryEvidence(forgery),)
    found = verify_pairs(pairs, **options, n_resamples=n_resamples, seed=seed, strict=strict)
    list_failures(found.failures)
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2, allow_nan=False))
        return
    if out is None:
        _tell_pairs(found)
    else:
        typer.echo(f"written: {out} (submission.csv, pairs.csv, verification.json, report.html)", err=True)
    typer.echo(str(found))


def _tell_pairs(found: Verification) -> None:
    """A line per pair."""
    typer.echo("       score  probability  pair")
    for name, score, probability in zip(
        found.pairs.pair_ids.tolist(), found.scores.tolist(), found.probabilities.tolist(), strict=True
    ):
        said = "not compared" if math.isnan(score) else format(score, "12.4f")
        typer.echo(f"{said}  {'' if math.isnan(probability) else format(probability, '.4f'):>11}  {name}")
