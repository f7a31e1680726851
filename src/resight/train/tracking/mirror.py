"""A run as MLflow shows it: told from the plain files or beside them, each figure once, however often it is told.

The plain files are the truth. So when MLflow fails in the middle of a run, a warning says so once and training goes
on; what is lacking is told when the run goes on, or by `resight track`.
"""

from __future__ import annotations

import logging
import os
import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from resight.errors import InputError, MissingExtraError
from resight.train.tracking.files import plain

__all__ = ["ARTEFACTS", "DATABASE", "Mirror", "address_of", "flattened", "quiet_environment"]

DATABASE = "mlflow.db"
ARTEFACTS = "mlflow-artefacts"

_EXPERIMENT = "resight"
_RUN_TAG, _TOLD_TAG = "resight.run", "resight.told"
_MOST_METRICS, _MOST_PARAMETERS, _MOST_TAGGED = 1_000, 100, 5_000
_LONGEST_NAME, _LONGEST_VALUE = 250, 500
_FLUSH_S = 5.0
_STATES = {"running": "RUNNING", "finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}

Row = tuple[str, float, int]
"""Name, value and step of a figure."""


def quiet_environment() -> dict[str, str]:
    """What MLflow is told by the environment: it sends nothing home and starts no workers of its own."""
    return {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def address_of(place: str | Path) -> str:
    """The address of a database or server: a folder stands for `mlflow.db` in it.

    Example:
        >>> address_of("/runs"), address_of("/runs/all.db"), address_of("http://127.0.0.1:5000")
        ('sqlite:////runs/mlflow.db', 'sqlite:////runs/all.db', 'http://127.0.0.1:5000')
    """
    if "://" in str(place):
        return str(place)
    path = Path(place).resolve()
    return f"sqlite:///{(path if path.suffix == '.db' else path / DATABASE).as_posix()}"


def flattened(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of all that stands in tables and lists.

    Example:
        >>> dict(flattened({"a": {"b": 1}, "c": [{"d": 2}, 3]}))
        {'a.b': 1, 'c.0.d': 2, 'c.1': 3}
    """
    if isinstance(values, Mapping | list) and values:
        for key, inner in values.items() if isinstance(values, Mapping) else enumerate(values):
            yield from flattened(inner, f"{prefix}.{key}" if prefix else str(key))
    elif prefix:
        yield prefix, values


class Mirror:
    """One run in MLflow.

    Args:
        client: MLflow's own.
        run_id: of the run there.
        folder: of the run, for the sentence when MLflow fails.
    """

    def __init__(self, client: Any, run_id: str, folder: Path) -> None:
        self.run_id = run_id
        self._client, self._folder = client, folder
        self._lost = False
        self._waiting: list[tuple[str, float, int, int]] = []
        self._told: dict[str, set[int]] = {}
        self._flushed = time.monotonic()
        self._last_step = 0

    @classmethod
    def open(cls, place: str | Path, record: Mapping[str, Any], folder: Path) -> Mirror:
        """The run of a record in MLflow, which goes on where it is there already.

        Args:
            place: folder, database or address of a server.
            record: what the run is; see `read_run`.
            folder: of the run.

        Raises:
            MissingExtraError: when MLflow is absent.
            InputError: when it cannot be opened.
        """
        require_mlflow()
        address = address_of(place)
        try:
            with _quietly():
                client = _client(address)
                run_id = _run_of(client, _experiment(client, address), record)
        except _faults() as error:
            raise InputError(
                f"expected MLflow to take the run at {address}, found: {_first_line(error)}: mend that, or train "
                "without MLflow and give it the run later by  resight track"
            ) from error
        mirror = cls(client, run_id, folder)
        mirror._try(lambda: mirror._parameters(record["parameters"]))
        return mirror

    def begin(self) -> None:
        """The run is at work, again where it had ended."""
        self._try(lambda: self._client.update_run(self.run_id, status="RUNNING"))

    def figures(self, rows: Iterable[Row], at_ms: int | None = None) -> None:
        """Tell figures; those that MLflow has for a step already are passed over.

        Args:
            rows: name, value and step.
            at_ms: when they were taken, in milliseconds since 1970; now by default.
        """
        now = int(time.time() * 1000) if at_ms is None else at_ms
        new = [(_metric_name(name), float(value), step, now) for name, value, step in rows]
        self._waiting += new
        self._last_step = max([self._last_step, *(step for *_, step, _ in new)])
        if len(self._waiting) >= _MOST_METRICS or time.monotonic() - self._flushed > _FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Tell what waits."""
        waiting, self._waiting = self._waiting, []
        self._flushed = time.monotonic()
        self._try(lambda: self._tell(waiting))

    def artefact(self, path: Path) -> None:
        """Hand a file or folder over; one of the same name is replaced."""
        inside = path.resolve().relative_to(self._folder.resolve()) if _is_in(path, self._folder) else Path(path.name)
        where = "" if inside.parent == Path() else inside.parent.as_posix()
        if path.is_dir():
            self._try(lambda: self._client.log_artifacts(self.run_id, str(path), inside.as_posix()))
        elif path.exists():
            self._try(lambda: self._client.log_artifact(self.run_id, str(path), where or None))

    def end(self, record: Mapping[str, Any]) -> None:
        """Tell the result and that the run is over."""
        found = dict(flattened(plain(record.get("result") or {})))
        numbers = {name: value for name, value in found.items() if isinstance(value, int | float)}
        self.figures((f"result/{name}", value, self._last_step) for name, value in numbers.items())
        self.flush()
        self._try(lambda: self._client.set_tag(self.run_id, _TOLD_TAG, _mark(record)))
        self._try(lambda: self._client.set_terminated(self.run_id, _STATES[record["state"]]))

    def has_all_of(self, record: Mapping[str, Any]) -> bool:
        """Whether a run that is over was told to its end."""
        tags = self._client.get_run(self.run_id).data.tags
        return bool(tags.get(_TOLD_TAG) == _mark(record))

    def _tell(self, waiting: Iterable[tuple[str, float, int, int]]) -> None:
        from mlflow.entities import Metric

        new = []
        for name, value, step, at_ms in waiting:
            if step not in self._steps(name):
                self._steps(name).add(step)
                new.append(Metric(name, value, at_ms, step))
        for some in _batches(new, _MOST_METRICS):
            self._client.log_batch(self.run_id, metrics=some)

    def _steps(self, name: str) -> set[int]:
        """The steps for which MLflow has a figure; asked once."""
        if name not in self._told:
            self._told[name] = {one.step for one in self._client.get_metric_history(self.run_id, name)}
        return self._told[name]

    def _parameters(self, parameters: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        there = self._client.get_run(self.run_id).data.params
        found = {_metric_name(key): str(value)[:_LONGEST_VALUE] for key, value in flattened(plain(parameters))}
        new = [Param(key, value) for key, value in found.items() if key not in there]
        for some in _batches(new, _MOST_PARAMETERS):
            self._client.log_batch(self.run_id, params=some)

    def _try(self, call: Callable[[], object]) -> None:
        """Training goes on when MLflow fails; it is not asked again, since each failure may take long."""
        if self._lost:
            return
        try:
            with _quietly():
                call()
        except _faults() as error:
            self._lost = True
            warnings.warn(
                f"MLflow failed and is told nothing more of {self._folder}: {_first_line(error)}; training goes on, "
                "and  resight track  tells it what is lacking",
                stacklevel=2,
            )


def require_mlflow() -> None:
    """Refuse in a sentence where MLflow is absent.

    Raises:
        MissingExtraError: then.
    """
    for name, value in quiet_environment().items():
        os.environ.setdefault(name, value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations of its own libraries
            import mlflow  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("mlflow", "train", "tracking by MLflow") from error
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _faults() -> tuple[type[Exception], ...]:
    """What MLflow raises where it cannot write."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, SQLAlchemyError, OSError


def _client(address: str) -> Any:
    from mlflow import MlflowClient

    path = address.removeprefix("sqlite:///")
    if path != address:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    return MlflowClient(tracking_uri=address)


def _experiment(client: Any, address: str) -> str:
    found = client.get_experiment_by_name(_EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    path = address.removeprefix("sqlite:///")
    place = None if path == address else (Path(path).parent / ARTEFACTS).as_uri()
    return str(client.create_experiment(_EXPERIMENT, artifact_location=place))


def _run_of(client: Any, experiment: str, record: Mapping[str, Any]) -> str:
    """The run that bears the record's mark, else a new one."""
    found = client.search_runs([experiment], f"tags.`{_RUN_TAG}` = '{record['id']}'", max_results=1)
    if found:
        return str(found[0].info.run_id)
    started = int(datetime.fromisoformat(record["started"]).timestamp() * 1000)
    about = {**record.get("versions", {}), **record.get("hardware", {})}
    tags = {f"resight.{key}": str(value)[:_MOST_TAGGED] for key, value in about.items() if value is not None}
    run = client.create_run(experiment, started, {**tags, _RUN_TAG: record["id"]}, record["name"])
    return str(run.info.run_id)


def _batches(items: Sequence[Any], n: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + n] for start in range(0, len(items), n))


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the warnings that MLflow's own code raises of the libraries that it uses."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"mlflow\.")
        yield


def _metric_name(name: str) -> str:
    """A name of signs that MLflow takes, and no longer than it takes."""
    return re.sub(r"[^\w\-. /]", "_", name)[:_LONGEST_NAME].strip("/ ") or "_"


def _mark(record: Mapping[str, Any]) -> str:
    """Another one after each time that the run goes on, also within a second."""
    return f"{record['state']} {record['ended']} {len(record['resumed'])}"


def _is_in(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve()) and path.resolve() != folder.resolve()


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
