"""Optuna's side of a study: its database, what is drawn, and its trials as plain ones."""

from __future__ import annotations

import math
import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from resight.config import ChoiceParameter, SpaceRecipe, WholeParameter
from resight.errors import MismatchError
from resight.train.tuning.result import DONE, FAILED, STOPPED, Trial

__all__ = ["counted", "distribution", "importances_of", "opened", "quietly", "settings_drawn", "trials_of"]

_STUDY = "study.db"
_FREE_STEPS = 2
"""No trial is stopped before this step: the first figure of a training says little."""
_MIN_DONE = 10
"""Trials from which on it is said what mattered."""


class _Connection(sqlite3.Connection):
    """One that waits for the disk only now and then: a power cut may cost the last trial, and nothing else."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.execute("PRAGMA journal_mode=WAL").close()
        self.execute("PRAGMA synchronous=NORMAL").close()


@contextmanager
def opened(folder: Path, identity: Mapping[str, str], pruning: bool) -> Iterator[Any]:
    """The study of a folder, if it was begun with the same."""
    import optuna

    with quietly():
        path = (folder / _STUDY).resolve()
        storage = optuna.storages.RDBStorage(
            f"sqlite:///{path.as_posix()}", engine_kwargs={"connect_args": {"factory": _Connection, "timeout": 30}}
        )
        pruner: Any = optuna.pruners.MedianPruner(n_warmup_steps=_FREE_STEPS) if pruning else optuna.pruners.NopPruner()
        study = optuna.create_study(
            storage=storage, study_name="resight", direction="maximize", pruner=pruner, load_if_exists=True
        )
    try:
        before = study.user_attrs.get("identity")
        if before is None:
            study.set_user_attr("identity", dict(identity))
        elif before != identity:
            other = next((key for key in {**before, **identity} if before.get(key) != identity.get(key)), "space")
            raise MismatchError(
                f"expected the {other} with which the study in {folder} was begun, found another: its trials cannot be "
                "compared with these; tune in another folder"
            )
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


def distribution(one: Any) -> Any:
    """What Optuna draws a parameter from; choices by their labels."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(one, ChoiceParameter):
        return CategoricalDistribution(one.labels)
    if isinstance(one, WholeParameter):
        return IntDistribution(one.low, one.high, log=one.log)
    return FloatDistribution(one.low, one.high, log=one.log)


def settings_drawn(drawn: Mapping[str, Any], space: SpaceRecipe) -> dict[str, Any]:
    """The values of drawn labels and numbers, in the order of the space."""
    return {
        one.key: one.choices[one.labels.index(drawn[one.key])] if isinstance(one, ChoiceParameter) else drawn[one.key]
        for one in space.parameters
    }


def counted(study: Any) -> list[Any]:
    """The trials that count: all that ended, but those that were killed."""
    return [
        one
        for one in study.get_trials(deepcopy=False)
        if one.state.name in {"COMPLETE", "PRUNED"} or (one.state.name == "FAIL" and "reason" in one.user_attrs)
    ]


def trials_of(study: Any, space: SpaceRecipe) -> Iterator[Trial]:
    """The trials that count, numbered anew."""
    states = {"COMPLETE": DONE, "PRUNED": STOPPED, "FAIL": FAILED}
    for number, one in enumerate(counted(study), start=1):
        said = one.user_attrs
        value = None if one.state.name == "FAIL" or one.value is None else float(one.value)
        yield Trial(
            number,
            states[one.state.name],
            settings_drawn(one.params, space),
            value,
            len(one.intermediate_values),
            said.get("seconds", math.nan),
            said.get("reason", ""),
            said.get("as_is", False),
        )


def importances_of(study: Any, space: SpaceRecipe, seed: int) -> dict[str, float]:
    """How much each key explains, by fANOVA over the trials that are done (Hutter et al., 2014), the most first."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    values = [one.value for one in counted(study) if one.state.name == "COMPLETE"]
    if len(values) < _MIN_DONE or len(set(values)) == 1:
        return {}
    if len(space.parameters) == 1:
        return {space.parameters[0].key: 1.0}
    with quietly():
        found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=seed))
    return {key: float(share) for key, share in found.items()}


@contextmanager
def quietly() -> Iterator[None]:
    """Without Optuna's warnings: they speak to programmers of what is done here on purpose."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"optuna\.")
        yield
