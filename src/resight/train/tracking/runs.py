"""The record of a training run: what it was, and each figure as it comes."""

from __future__ import annotations

import platform
import sys
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from resight import __version__
from resight.errors import InputError
from resight.machine import usable_cores
from resight.train.tracking.files import FIGURES, RUN, TIMINGS, FigureFile, read_figures, read_run, rows_of, write_run
from resight.train.tracking.mirror import Mirror, Row, address_of

__all__ = ["RunLog"]

_LIBRARIES = ("numpy", "torch", "torchvision", "timm", "accelerate", "onnx", "pytorch_metric_learning")


class RunLog:
    """The record of a run in its folder; used as a context.

    The folder holds `run.json` (what the run is, its state and result), `figures.csv` (all figures that a repetition
    gives again) and `timings.csv` (what took how long). A run whose folder holds these already goes on.

    When the block is left, the state is "finished" if `finish` was called, "failed" with the sentence after an error,
    else "interrupted".

    Only one process may write it: with several, the first one.

    Args:
        folder: of the run; made when it is not there.
        name: of the run.
        parameters: all that the run was asked for, such as the recipe, the catalogue and the seed.
        mlflow: where MLflow gets the same: a folder (its `mlflow.db`), a database or the address of a server. The
            folder that holds the runs is the one that `resight track` opens. None for the files alone.

    Raises:
        MissingExtraError: when MLflow is asked for and absent.
        InputError: when MLflow cannot be opened, or other files lie in the folder.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with RunLog(folder, name="first", parameters={"seed": 0}) as log:
        ...     log.figure({"loss": 1.5}, stage="all", epoch=1, step=10)
        ...     log.finish({"best_oscr": 0.5})
        >>> read_run(folder)["state"], read_figures(folder).rows()
        ('finished', [('all', 1, 10, 'loss', 1.5)])
    """

    def __init__(self, folder: Path, *, name: str, parameters: Mapping[str, Any], mlflow: str | None = None) -> None:
        self.folder = Path(folder)
        self._place = mlflow
        self._mirror: Mirror | None = None
        self._record = self._begun(name, parameters)

    def __enter__(self) -> Self:
        """Open the files; the run is at work from now on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._place is not None:
            self._mirror = Mirror.open(self._place, self._record, self.folder)
            self._record["mlflow"] = {"address": address_of(self._place), "run_id": self._mirror.run_id}
            self._mirror.begin()
        self._figures = FigureFile(self.folder / FIGURES)
        self._timings = FigureFile(self.folder / TIMINGS)
        self._tell([*rows_of(read_figures(self.folder))])
        write_run(self.folder, self._record)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Close the files and say how the run ended."""
        if error is not None:
            stopped = not isinstance(error, Exception)  # by the user or the system
            state = "interrupted" if stopped else "failed"
            self._record |= {"state": state, "error": f"{type(error).__name__}: {error}".rstrip(": ")}
        elif self._record["state"] == "running":
            self._record["state"] = "interrupted"
        self._record["ended"] = _now()
        self._figures.close()
        self._timings.close()
        write_run(self.folder, self._record)
        if self._mirror is not None:
            for name in (RUN, FIGURES, TIMINGS):
                self._mirror.artefact(self.folder / name)
            self._mirror.end(self._record)

    def figure(self, values: Mapping[str, float], *, stage: str, epoch: int, step: int) -> None:
        """Note figures; none may hang on the clock, see `timing`.

        Args:
            values: name to figure.
            stage: of the recipe.
            epoch: of the run.
            step: of the whole run, over all stages; never less than the one before.
        """
        self._figures.add(values, stage=stage, epoch=epoch, step=step)
        self._tell([(name, value, step) for name, value in values.items()])

    def timing(self, values: Mapping[str, float], *, stage: str, epoch: int, step: int) -> None:
        """Note what took how long; apart from figures, since no repetition gives the same."""
        self._timings.add(values, stage=stage, epoch=epoch, step=step)
        self._tell([(f"timing/{name}", value, step) for name, value in values.items()])

    def rewind(self, step: int) -> None:
        """Drop the figures and timings of steps after a checkpoint, from which the run goes on.

        Those of that step itself stay: a checkpoint is written after them. MLflow keeps what it
        was told; it is not told twice.
        """
        self._figures.rewind(step)
        self._timings.rewind(step)

    def artefact(self, path: Path) -> None:
        """Name a file or folder that came of the run; MLflow gets a copy.

        Raises:
            InputError: when it is not there.
        """
        if not path.exists():
            raise InputError(f"expected a file or folder that the run made, found none at {path}")
        resolved, home = path.resolve(), self.folder.resolve()
        name = resolved.relative_to(home).as_posix() if resolved.is_relative_to(home) else str(resolved)
        self._record["artefacts"] = [*(one for one in self._record["artefacts"] if one != name), name]
        write_run(self.folder, self._record)
        if self._mirror is not None:
            self._mirror.artefact(path)

    def finish(self, result: Mapping[str, Any]) -> None:
        """The run is done; its result goes into `run.json`."""
        self._record |= {"state": "finished", "result": dict(result)}

    def _tell(self, rows: Sequence[Row]) -> None:
        if self._mirror is not None:
            self._mirror.figures(rows)

    def _begun(self, name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The record of a run that begins now, or goes on."""
        before = read_run(self.folder) if (self.folder / RUN).exists() else {}
        return {
            "id": before.get("id") or uuid.uuid4().hex,
            "name": name,
            "state": "running",
            "started": before.get("started") or _now(),
            "resumed": [*before.get("resumed", []), *([_now()] if before else [])],
            "ended": None,
            "parameters": dict(parameters),
            "versions": _versions(),
            "hardware": _hardware(),
            "artefacts": before.get("artefacts", []),
            "result": None,
            "error": None,
            "mlflow": None,
        }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    """Of resight, Python, and the libraries that are loaded."""
    loaded = {name: getattr(sys.modules[name], "__version__", None) for name in _LIBRARIES if name in sys.modules}
    known = {name: str(version) for name, version in loaded.items() if version}
    return {"resight": __version__, "python": platform.python_version(), **known}


def _hardware() -> dict[str, Any]:
    """What the run had; torch is asked for a GPU only where it is loaded."""
    torch: Any = sys.modules.get("torch")
    has_gpu = torch is not None and torch.cuda.is_available()
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())] if has_gpu else []
    return {"n_cores": usable_cores(), "machine": platform.machine(), "system": platform.system(), "gpus": gpus}
