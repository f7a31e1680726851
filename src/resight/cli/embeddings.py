"""Vectors that were made elsewhere: index them, and ask about them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from resight.cli.identify import tell_decisions, tell_indexed, tell_next
from resight.cli.options import Folder, Json, Labels, Layout, Who
from resight.cli.submission import Format, Out, Sample, form_to_fill, tell_submission
from resight.errors import InputError

app = typer.Typer(
    help="Work with vectors that were made elsewhere; their photos need not be there.", no_args_is_help=True
)

Vectors = Annotated[Path, typer.Argument(help="Matrix with a vector per row: .npy, .npz, .csv, .tsv or .parquet.")]
Names = Annotated[
    Path | None, typer.Option(help="What its rows are called: .csv, .txt, .npy or .json, if not in the same file.")
]
Photos = Annotated[Path | None, typer.Option(help="Folder of the photos, when they are there.")]


@app.command()
def index(
    vectors: Vectors,
    catalogue: Folder,
    model_name: Annotated[str, typer.Option(help="What you call the model that made the vectors.")],
    names: Names = None,
    labels: Labels = None,
    photos: Photos = None,
    layout: Layout = "auto",
    who: Who = "index",
    as_json: Json = False,
) -> None:
    """Bring vectors and the labels of their photos into a catalogue; then calibrate, evaluate and identify as usual.

    Example:  resight embeddings index b7.npy --names names.csv --labels train.csv --model-name b7 --catalogue mine
    """
    from resight.pipeline import index_embeddings

    done = index_embeddings(
        vectors, catalogue, names=names, model_name=model_name, labels=labels, photos=photos, layout=layout, who=who
    )
    tell_indexed(done, as_json=as_json)
    tell_next(done, catalogue, model_name)


@app.command()
def identify(
    vectors: Vectors,
    catalogue: Folder,
    names: Names = None,
    labels: Labels = None,
    photos: Photos = None,
    top: Annotated[int, typer.Option(help="Candidates per photo.")] = 5,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report here.")] = None,
    out: Out = None,
    format_name: Format = None,
    sample: Sample = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print one CSV table.")] = False,
) -> None:
    """Say of each vector which individual its photo shows, or that it is a new one.

    Example:  resight embeddings identify test.npy --names test.txt --catalogue mine --csv
    """
    from resight.pipeline import Identifier, identify_vectors, write_identification_report

    form = form_to_fill(format_name, sample, out)
    if form is not None and form.of.of_pairs:
        raise InputError(f"expected a format about single photos, found {form.of.name}, which is about pairs")
    identifier = Identifier.open(catalogue)
    found = identify_vectors(identifier, vectors, names=names, labels=labels, photos=photos, top=top)
    tell_decisions(found, as_json=as_json, as_csv=as_csv)
    if report is not None:
        write_identification_report(report, identifier, found)
        typer.echo(f"report: {report}", err=True)
    tell_submission(found, form, out)
