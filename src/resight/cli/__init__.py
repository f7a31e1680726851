"""The command line: each verb is a thin call of one public function.

Results go to standard output, progress and warnings to standard error; a user's error is one
sentence with the remedy and exit code 2.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated, Any

import typer

from resight import __version__
from resight.cli import (
    catalogue,
    demo,
    duplicates,
    embeddings,
    evaluate,
    explore,
    export,
    forge,
    group,
    identify,
    milvus,
    models,
    prepare,
    review,
    score,
    split,
    track,
    train,
    tune,
    verify,
)
from resight.errors import ResightError

__all__ = ["app", "main"]

_INTERRUPTED = 130

app = typer.Typer(
    name="resight",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"resight {__version__}")
        raise typer.Exit


@app.callback()
def resight(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Which of the individuals I know is on this photo, or is it a new one?"""


for _verb in (
    demo.demo,
    identify.index,
    identify.calibrate,
    identify.identify,
    verify.verify,
    evaluate.evaluate,
    score.score,
    explore.explore,
    duplicates.duplicates,
    export.export,
    group.group,
    split.split,
    prepare.prepare,
    forge.forge,
    tune.tune,
    track.track,
    review.review,
):
    app.command()(_verb)
app.add_typer(catalogue.app, name="catalogue")
app.add_typer(models.app, name="models")
app.add_typer(milvus.app, name="milvus")
app.add_typer(embeddings.app, name="embeddings")
app.add_typer(train.app, name="train")


def main() -> None:
    """Run the command line and leave with its exit code."""
    warnings.showwarning = _say
    try:
        _leave(app(standalone_mode=False) or 0)
    except ResightError as error:
        _fail(str(error), 2)
    except KeyboardInterrupt:
        _leave(_INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        _fail(f"expected a file or folder that can be used, found {error.filename or 'one'}: {error.strerror}", 2)
    except typer.Abort:  # at a prompt
        _leave(_INTERRUPTED)
    except Exception as error:
        if not hasattr(error, "show"):  # what the command line itself refuses knows how to say so
            raise
        error.show()
        sys.exit(getattr(error, "exit_code", 2))


def _leave(code: int) -> None:
    """Typer makes an exit code of an interruption; it is said besides."""
    if code == _INTERRUPTED:
        _fail("interrupted; what was done is kept, and the same command goes on from there", code)
    sys.exit(code)


def _fail(sentence: str, code: int) -> None:
    sys.stderr.write(f"resight: {sentence}\n")
    sys.exit(code)


def _say(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    if issubclass(category, UserWarning):
        sys.stderr.write(f"resight: note: {message}\n")
