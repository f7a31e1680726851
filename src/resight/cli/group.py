"""Unlabelled photos into proposed individuals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from resight.cli.options import Folder, Json, Model, Same, Seed, Who
from resight.errors import InputError

if TYPE_CHECKING:
    from resight.pipeline import Form, Grouping

_OnePerEncounter = Annotated[
    bool, typer.Option("--one-per-encounter", help="Say that each encounter shows one individual.")
]
_MinProbability = Annotated[
    float | None,
    typer.Option(help="Mean probability down to which groups are joined. Default: learned from labelled photos."),
]
_Neighbours = Annotated[int, typer.Option("--neighbours", help="Photos that each is compared with.")]
_Out = Annotated[Path | None, typer.Option(help="Write a submission here.")]
_Format = Annotated[str, typer.Option("--format", help="Its format.")]
_Sample = Annotated[Path | None, typer.Option(help="Sample submission: only its ids are answered, in its order.")]
_Report = Annotated[Path | None, typer.Option(help="Write an HTML page with the photos of each group here.")]
_Apply = Annotated[
    bool, typer.Option("--apply", help="Write the names of groups of two photos or more; can be undone.")
]
_Evaluate = Annotated[
    bool, typer.Option("--evaluate", help="Judge grouping by labelled photos, names hidden, instead.")
]
_Rerank = Annotated[
    bool, typer.Option("--rerank", help="Weigh what  calibrate --rerank  fitted, in place of the cosine alone: slower.")
]
_Csv = Annotated[bool, typer.Option("--csv", help="Print one CSV table.")]


def group(
    catalogue: Folder,
    same: Same = None,
    one_per_encounter: _OnePerEncounter = False,
    min_probability: _MinProbability = None,
    n_neighbours: _Neighbours = 50,
    out: _Out = None,
    format_name: _Format = "clusters",
    sample: _Sample = None,
    report: _Report = None,
    apply: _Apply = False,
    judge: _Evaluate = False,
    rerank: _Rerank = False,
    model: Model = None,
    seed: Seed = 0,
    who: Who = "unknown",
    as_json: Json = False,
    as_csv: _Csv = False,
) -> None:
    """Propose individuals for the photos without a name, and say how many there may be.

    Example:  resight group --catalogue mine --same side --report groups.html

    Example:  resight group --catalogue mine --same side --rerank --apply --who anna
    """
    options: dict[str, Any] = {
        "same": same or (),
        "one_per_encounter": one_per_encounter,
        "min_probability": min_probability,
    }
    options |= {"n_neighbours": n_neighbours, "model": model, "seed": seed, "rerank": rerank}
    if judge:
        if apply or out is not None or report is not None or as_csv:
            raise InputError("expected --evaluate without --apply, --out, --report and --csv, found one of them")
        _judge(catalogue, options, as_json=as_json)
        return
    form = _form(format_name, sample, out)
    found = _proposed(catalogue, options)
    _print(found, as_json=as_json, as_csv=as_csv)
    if report is not None:
        typer.echo(f"report: {found.write_page(report)}", err=True)
    if form is not None and out is not None:
        typer.echo(f"submission: {out} ({form.of.name}, {found.write_submission(form, out)} rows)", err=True)
    for entry in found.apply(who=who) if apply else ():
        typer.echo(f"{entry.number:>5}  {entry.at}  {entry.who:<12} {entry.sentence}", err=True)


def _proposed(catalogue: Path, options: dict[str, Any]) -> Grouping:
    """The groups, once their notes are told."""
    from resight.pipeline import group_catalogue

    found = group_catalogue(catalogue, **options)
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    return found


def _form(format_name: str, sample: Path | None, out: Path | None) -> Form | None:
    from resight.pipeline import Form

    if out is None:
        if sample is not None or format_name != "clusters":
            raise InputError("expected --out FILE beside --format and --sample, to say where the submission goes")
        return None
    if out.is_dir():
        raise InputError(f"expected a file for the submission, found the folder {out}")
    form = Form.of_file(format_name, sample)
    if form.of.of_pairs:
        raise InputError(f"expected a format about single photos, found {form.of.name}")
    return form


def _print(found: Grouping, *, as_json: bool, as_csv: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2, allow_nan=False))
    elif as_csv:
        typer.echo(found.table().write_csv(), nl=False)
    else:
        typer.echo(str(found))


def _judge(catalogue: Path, options: dict[str, Any], *, as_json: bool) -> None:
    from resight.pipeline import evaluate_grouping

    done = evaluate_grouping(catalogue, **options)
    for note in done.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(json.dumps(done.to_json(), indent=2) if as_json else str(done))
