"""Training runs in MLflow's pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def track(
    runs: Annotated[Path, typer.Argument(help="Folder that holds the folders of training runs.")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of this machine to answer on.")] = 5000,
    host: Annotated[
        str, typer.Option(help="Address of this machine alone: MLflow asks nobody who they are.")
    ] = "127.0.0.1",
) -> None:
    """Show training runs in MLflow's pages, on this machine alone, until Ctrl-C.

    Runs that were trained without MLflow are brought into it first.

    Example:  resight track runs --port 5001
    """
    from resight.train import open_tracking

    open_tracking(runs, host, port, say=typer.echo)
