"""The search for the best settings: Optuna draws them, one trial after the other, and the study can be killed.

What a trial draws follows from the seed, its number and the trials before it. So a study that was killed goes on to the
same trials, and the one that was killed is repeated.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from resight.config import ChoiceParameter, SpaceRecipe, overridden, setting_at
from resight.config.recipe import Recipe
from resight.errors import ConfigError, InputError, NotFittedError, ResightError
from resight.progress import progress
from resight.store.alone import alone
from resight.train.libraries import require
from resight.train.tuning.page import write_tuning
from resight.train.tuning.result import DONE, Trial, Tuning
from resight.train.tuning.storage import (
    counted,
    distribution,
    importances_of,
    opened,
    quietly,
    settings_drawn,
    trials_of,
)

__all__ = ["Objective", "Report", "tune"]

_LOCK = "study.lock"
_MOST_FAILED = 3
"""Trials that fail one after the other before tuning gives up."""


class Report(Protocol):
    """Takes what a trial is worth so far.

    Args:
        trial: its number, from 1 on; a repeated one keeps it.
    """

    trial: int

    def __call__(self, step: int, value: float) -> bool:
        """Note a value, higher is better; true when the trial should stop, since others did better by then."""
        ...


Objective = Callable[[dict[str, Any], Report], float]
"""Takes settings and a `Report`, gives what they are worth; higher is better."""


def tune(
    objective: Objective,
    space: SpaceRecipe,
    folder: str | Path,
    *,
    n_trials: int,
    seed: int = 0,
    timeout_s: float | None = None,
    pruning: bool = True,
    recipe: Recipe | None = None,
    measure: str = "value",
    about: Mapping[str, str] | None = None,
) -> Tuning:
    r"""Search a space for the best settings; asked again, it goes on to so many trials in total.

    Settings are drawn by a tree of Parzen estimators (Bergstra et al., 2011). A trial stops early when it is worth less
    than half of the others were at the same step. One that raises has failed, and tuning goes on; three in a row end
    it.

    Args:
        objective: what is to be high.
        space: what may be changed.
        folder: of the study; made when it is not there.
        n_trials: in total, those of earlier calls among them.
        seed: of all that is drawn.
        timeout_s: no trial begins after so many seconds.
        pruning: whether trials stop early.
        recipe: the settings belong to. Its own are tried first, and `best.toml` is it with the best ones.
        measure: what the value of a trial is.
        about: what else must be the same when the study goes on, such as the catalogue.

    Raises:
        MissingExtraError: when Optuna is absent.
        ConfigError: when the recipe does not take what the space holds.
        MismatchError: when the study in the folder was begun with something else.
        InputError: when another process is at it, or the folder cannot be written.

    Example:
        >>> import tempfile
        >>> text = "[[parameters]]\nkind = 'range'\nkey = 'x'\nlow = 0.0\nhigh = 1.0"
        >>> found = tune(lambda s, _: -abs(s["x"] - 0.3), SpaceRecipe.parse(text), tempfile.mkdtemp(), n_trials=15)
        >>> 0.1 < found.best.settings["x"] < 0.5
        True
    """
    _refuse_early(space, recipe, n_trials)
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    said = {"recipe": "" if recipe is None else recipe.fingerprint, **(about or {})}
    with alone(place, _LOCK, "tunes"), opened(place, {"space": space.fingerprint, **said}, pruning) as study:
        search = _Search(study, space, objective, seed, _own_settings(space, recipe))
        search.run(n_trials, timeout_s)
        importances = importances_of(study, space, seed)
        trials = tuple(trials_of(study, space))
    found = Tuning(place, space, trials, importances, measure, _stated(said, seed), _notes(trials, space, recipe))
    _write(found, recipe)
    return found


class _Search:
    """The trials of a study that are still to be made."""

    def __init__(self, study: Any, space: SpaceRecipe, objective: Objective, seed: int, own: Mapping[str, Any]) -> None:
        self._study, self._space, self._objective, self._seed, self._own = study, space, objective, seed, own
        self._distributions = {one.key: distribution(one) for one in space.parameters}
        self._n_failed = 0

    def run(self, n_trials: int, timeout_s: float | None) -> None:
        """Make trials up to a number or a time."""
        until = math.inf if timeout_s is None else time.monotonic() + timeout_s
        self._forget_killed()
        n_done = len(counted(self._study))
        with progress("tuning", n_trials, "trials") as advance:
            advance(min(n_done, n_trials))
            for number in range(n_done + 1, n_trials + 1):
                if time.monotonic() >= until:
                    break
                self._try(number)
                advance(1)

    def _try(self, number: int) -> None:
        """One trial."""
        trial = self._ask(number)
        settings = settings_drawn(trial.params, self._space)
        report = _Reports(trial, number)
        start = time.monotonic()
        try:
            value = float(self._objective(settings, report))
            reason = "" if math.isfinite(value) or report.stopped else f"its value is {value}"
        except ConfigError as error:  # settings that do not go together
            value, reason = math.nan, str(error)
        except NotFittedError as error:  # such as a rate that is too high; or there is nothing to learn from
            value, reason = math.nan, str(error)
            self._give_up_on(error)
        except ResightError:  # what no other settings would mend
            raise
        except Exception as error:  # noqa: BLE001  an objective may raise anything; see _tell
            value, reason = math.nan, f"{type(error).__name__}: {error}"
            self._give_up_on(error)
        trial.set_user_attr("seconds", time.monotonic() - start)
        self._tell(trial, number, value, reason, stopped=report.stopped)

    def _ask(self, number: int) -> Any:
        """The next trial: the recipe's own settings first, then drawn ones."""
        import optuna

        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        with quietly():
            self._study.sampler = optuna.samplers.TPESampler(seed=seed)
            waiting = self._study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.WAITING])
            if number == 1 and len(self._own) == len(self._distributions) and not waiting:
                self._study.enqueue_trial(dict(self._own), user_attrs={"as_is": True})
            return self._study.ask(self._distributions)

    def _tell(self, trial: Any, number: int, value: float, reason: str, *, stopped: bool) -> None:
        from optuna.trial import TrialState

        with quietly():
            if reason:
                trial.set_user_attr("reason", reason)
                self._study.tell(trial, state=TrialState.FAIL)
                warnings.warn(f"trial {number} failed: {reason}; tuning goes on", stacklevel=2)
                return
            self._n_failed = 0
            if stopped:
                self._study.tell(trial, state=TrialState.PRUNED)
            else:
                self._study.tell(trial, value)

    def _give_up_on(self, error: Exception) -> None:
        self._n_failed += 1
        if self._n_failed >= _MOST_FAILED:
            raise error

    def _forget_killed(self) -> None:
        """Trials that a killed process left at work have failed without a reason, and do not count."""
        from optuna.trial import TrialState

        with quietly():
            for one in self._study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
                self._study.tell(one.number, state=TrialState.FAIL)


class _Reports:
    """What a trial reports, and whether it was told to stop."""

    def __init__(self, optuna_trial: Any, number: int) -> None:
        self.trial, self.stopped = number, False
        self._optuna = optuna_trial

    def __call__(self, step: int, value: float) -> bool:
        """Note a value; true when the trial should stop."""
        with quietly():
            self._optuna.report(float(value), int(step))
            self.stopped = self.stopped or bool(self._optuna.should_prune())
        return self.stopped


def _refuse_early(space: SpaceRecipe, recipe: Recipe | None, n_trials: int) -> None:
    if n_trials < 1:
        raise InputError(f"expected at least 1 trial, found {n_trials}")
    if recipe is not None:
        space.require_fits(recipe)
    require("tuning", "optuna")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)


def _own_settings(space: SpaceRecipe, recipe: Recipe | None) -> dict[str, Any]:
    """The recipe's own settings as they are drawn, as far as they lie in the space."""
    if recipe is None:
        return {}
    found: dict[str, Any] = {}
    for one in space.parameters:
        if isinstance(one, ChoiceParameter):
            same = [at for at, choice in enumerate(one.choices) if _is_as(recipe, one.key, choice)]
            found |= {one.key: one.labels[same[0]]} if same else {}
        elif one.holds(setting_at(recipe, one.key)):
            found[one.key] = setting_at(recipe, one.key)
    return found


def _is_as(recipe: Recipe, key: str, value: Any) -> bool:
    """Whether a setting would change nothing."""
    return overridden(recipe, {key: value}) == recipe


def _stated(said: Mapping[str, str], seed: int) -> dict[str, str]:
    return {**{key: value for key, value in said.items() if value}, "seed": str(seed)}


def _notes(trials: tuple[Trial, ...], space: SpaceRecipe, recipe: Recipe | None) -> tuple[str, ...]:
    notes = []
    inside = _own_settings(space, recipe)
    outside = [one.key for one in space.parameters if one.key not in inside]
    if recipe is not None and outside:
        notes.append(f"the recipe's own settings lie outside the space, so they were not tried: {', '.join(outside)}")
    if not any(trial.state == DONE for trial in trials):
        notes.append("no trial came to its end: nothing is known of the settings")
    return tuple(notes)


def _write(found: Tuning, recipe: Recipe | None) -> None:
    try:
        found.table().write_csv(found.folder / "trials.csv")
        if recipe is not None and found.best is not None:
            best = overridden(recipe, found.best.settings)
            (found.folder / "best.toml").write_text(best.to_toml(), encoding="utf-8")
    except OSError as error:
        raise InputError(f"expected to write to {found.folder}, found: {error.strerror or error}") from error
    write_tuning(found, found.folder / "tuning.html")
