"""The search for the best settings: what it finds, what outlives a kill, and what its page says."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import types

import pytest
from matplotlib.axes import Axes

from oracles.pages import NASTY, Page, require_self_contained, require_sound_links
from resight.config import SpaceRecipe, TrainRecipe, overridden
from resight.errors import ConfigError, InputError, MismatchError, MissingExtraError
from resight.pages.colours import ORANGE
from resight.train import tune_network
from resight.train.tuning import Trial, Tuning, tune
from resight.train.tuning.figures import in_lines, side_by_side
from resight.train.tuning.page import write_tuning

pytest.importorskip("optuna")

SPACE = SpaceRecipe.parse(
    """
    [[parameters]]
    kind = "range"
    key = "stages.0.learning_rate"
    low = 0.0001
    high = 0.01
    log = true
    [[parameters]]
    kind = "whole"
    key = "stages.0.n_epochs"
    low = 2
    high = 12
    [[parameters]]
    kind = "choice"
    key = "losses.0"
    choices = [{kind = "arcface"}, {kind = "triplet"}]
    """
)


def worth(settings, report):
    """Higher for arcface and for many epochs; reported twice."""
    value = settings["stages.0.n_epochs"] / 20 + (settings["losses.0"]["kind"] == "arcface") / 4
    report(1, value / 2)
    report(2, value)
    return value


def search(folder, objective=worth, space=SPACE, **options):
    return tune(objective, space, folder, **{"n_trials": 3, "seed": 3, "pruning": False, **options})


def without_seconds(folder):
    return [line.split(",")[:4] + line.split(",")[5:] for line in (folder / "trials.csv").read_text().splitlines()]


@pytest.fixture
def no_page(monkeypatch):
    """Without the page, which is most of the work of a short search."""
    monkeypatch.setattr("resight.train.tuning.study.write_tuning", lambda *_: None)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return search(folder, recipe=TrainRecipe(), n_trials=12, about={"catalogue": "mine"}, measure="OSCR")


class TestWhatItFinds:
    def test_the_best_trial_is_the_best_one(self, study):
        assert study.best.value == max(trial.value for trial in study.trials)
        assert [trial.number for trial in study.trials] == [*range(1, 13)]
        assert study.counts() == {"done": 12, "stopped early": 0, "failed": 0}

    def test_the_recipe_as_it_is_comes_first(self, study):
        assert study.first is study.trials[0]
        assert study.first.settings == {
            "stages.0.learning_rate": 0.001, "stages.0.n_epochs": 10, "losses.0": {"kind": "arcface"}
        }  # fmt: skip
        assert study.notes == ()

    def test_the_settings_lie_in_the_space(self, study):
        for trial in study.trials:
            rate, epochs, loss = trial.settings.values()
            assert 0.0001 <= rate <= 0.01
            assert isinstance(epochs, int)
            assert 2 <= epochs <= 12
            assert loss["kind"] in {"arcface", "triplet"}

    def test_the_files_hold_the_same(self, study):
        best = TrainRecipe.read(study.folder / "best.toml")
        assert best == overridden(TrainRecipe(), study.best.settings)
        assert study.table().height == 12
        assert json.loads(json.dumps(study.to_json(), allow_nan=False))["best"]["value"] == study.best.value
        assert "best OSCR" in str(study)

    def test_what_mattered_is_a_share_of_the_whole(self, study):
        assert sum(study.importances.values()) == pytest.approx(1)
        assert study.importances["stages.0.learning_rate"] == min(study.importances.values())

    def test_settings_outside_the_space_are_not_tried_first(self, tmp_path):
        recipe = overridden(TrainRecipe(), {"stages.0.n_epochs": 50})
        found = search(tmp_path, n_trials=1, recipe=recipe)
        assert found.first is None
        assert "outside the space, so they were not tried: stages.0.n_epochs" in found.notes[0]

    def test_no_trial_begins_after_the_time_is_up(self, tmp_path):
        found = search(tmp_path, timeout_s=0)
        assert (found.trials, found.best, found.importances) == ((), None, {})
        assert found.notes == ("no trial came to its end: nothing is known of the settings",)
        assert "none came to its end" in Page((tmp_path / "tuning.html").read_text("utf-8")).text


@pytest.mark.usefixtures("no_page")
class TestTrialsThatEndOtherwise:
    def test_one_that_falls_behind_is_stopped(self, tmp_path):
        def falling(_, report):
            value = 1.0 / report.trial
            any(report(step, value) for step in range(1, 4))
            return value

        found = search(tmp_path, falling, n_trials=7, pruning=True)
        assert [trial.state for trial in found.trials] == ["done"] * 5 + ["stopped early"] * 2
        assert found.trials[6].n_reports == 2
        assert found.best.number == 1

    def test_one_that_raises_fails_and_the_search_goes_on(self, tmp_path):
        def fragile(settings, report):
            if report.trial == 2:
                raise RuntimeError("out of memory")
            return float("nan") if report.trial == 3 else worth(settings, report)

        with pytest.warns(UserWarning, match=r"trial 2 failed: RuntimeError: out of memory|trial 3 failed: its value"):
            found = search(tmp_path, fragile, n_trials=4)
        assert [trial.state for trial in found.trials] == ["done", "failed", "failed", "done"]
        assert found.trials[1].reason == "RuntimeError: out of memory"

    @pytest.mark.filterwarnings("ignore:trial:UserWarning")
    def test_three_in_a_row_end_it(self, tmp_path):
        seen = []

        def broken(_, report):
            seen.append(report.trial)
            raise RuntimeError("no GPU")

        with pytest.raises(RuntimeError, match="no GPU"):
            search(tmp_path, broken)
        assert seen == [1, 2, 3]

    def test_what_no_settings_would_mend_is_raised_at_once(self, tmp_path):
        def without(*_):
            raise InputError("expected a catalogue, found none")

        with pytest.raises(InputError, match="expected a catalogue"):
            search(tmp_path, without)
        assert len(search(tmp_path, n_trials=1).trials) == 1


@pytest.mark.usefixtures("no_page")
class TestResuming:
    def test_an_interrupted_study_has_the_trials_of_an_undisturbed_one(self, tmp_path):
        def interrupted(settings, report):
            if report.trial == 2:
                raise KeyboardInterrupt
            return worth(settings, report)

        search(tmp_path / "whole", recipe=TrainRecipe())
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path / "cut", interrupted, recipe=TrainRecipe())
        search(tmp_path / "cut", recipe=TrainRecipe())
        assert without_seconds(tmp_path / "cut") == without_seconds(tmp_path / "whole")

    def test_a_killed_trial_is_repeated(self, tmp_path):
        code = f"""
            import os, signal
            from resight.config import SpaceRecipe
            from resight.train.tuning import tune
            def objective(settings, report):
                print(settings["stages.0.n_epochs"], flush=True)
                if report.trial == 2:
                    os.kill(os.getpid(), signal.SIGKILL)
                return 1.0
            tune(objective, SpaceRecipe.parse({SPACE.to_toml()!r}), {str(tmp_path)!r}, n_trials=3, seed=3)
        """
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=100
        )
        assert done.returncode == -9, done.stderr
        found = search(tmp_path, lambda *_: 1.0, n_trials=3)
        assert [str(trial.settings["stages.0.n_epochs"]) for trial in found.trials[:2]] == done.stdout.split()
        assert len(found.trials) == 3

    def test_a_study_that_is_done_makes_no_trial(self, study):
        again = search(
            study.folder, pytest.fail, recipe=TrainRecipe(), n_trials=4, about={"catalogue": "mine"}, measure="OSCR"
        )
        assert [trial.settings for trial in again.trials] == [trial.settings for trial in study.trials]

    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ({"space": SpaceRecipe(parameters=SPACE.parameters[:2])}, "space"),
            ({"recipe": overridden(TrainRecipe(), {"same": ["side"]})}, "recipe"),
            ({"about": {"catalogue": "other"}}, "catalogue"),
        ],
    )
    def test_another_search_is_refused(self, study, changed, said):
        asked = {"recipe": TrainRecipe(), "about": {"catalogue": "mine"}, **changed}
        with pytest.raises(MismatchError, match=f"expected the {said} with which the study"):
            search(study.folder, **asked)

    def test_two_at_once_are_refused(self, tmp_path):
        def nested(*_):
            with pytest.raises(InputError, match="found another one that tunes in it"):
                search(tmp_path)
            return 1.0

        assert search(tmp_path, nested, n_trials=1).best.value == 1.0


@pytest.mark.usefixtures("no_page")
class TestRefusals:
    def test_keys_that_the_recipe_does_not_have(self, tmp_path):
        space = SpaceRecipe.parse("[[parameters]]\nkind='range'\nkey='stages.0.learning_rat'\nlow=0.1\nhigh=0.2")
        with pytest.raises(ConfigError, match="Did you mean 'learning_rate'"):
            search(tmp_path / "new", space=space, recipe=TrainRecipe())
        assert not (tmp_path / "new").exists()

    def test_no_trials(self, tmp_path):
        with pytest.raises(InputError, match="at least 1 trial"):
            search(tmp_path, n_trials=0)

    def test_without_optuna_the_remedy_is_named(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "optuna", None)
        with pytest.raises(MissingExtraError, match=r"tuning needs optuna: run  pip install 'resight\[train\]'"):
            search(tmp_path)


class TestPage:
    def test_it_stands_alone(self, study):
        text = (study.folder / "tuning.html").read_text("utf-8")
        require_self_contained(text)
        require_sound_links(text)
        said = Page(text).text
        for word in (
            "12 trials. The best is trial",
            "the recipe as it is gives",
            "What mattered",
            "lucky one",
            "n_epochs",
        ):
            assert word in said

    def test_of_equal_trials_the_one_called_best_is_marked(self, tmp_path, monkeypatch):
        plot, marked = Axes.plot, []

        def noted(self, heights, **look):
            marked.extend([heights[:3]] if look["color"] == ORANGE else [])
            return plot(self, heights, **look)

        monkeypatch.setattr(Axes, "plot", noted)
        settings = [
            {"stages.0.learning_rate": 0.001, "stages.0.n_epochs": n, "losses.0": {"kind": "triplet"}}
            for n in (2, 12, 7)
        ]
        found = Tuning(tmp_path, SPACE, tuple(map(Trial, (1, 2, 3), ["done"] * 3, settings, [0.4, 0.5, 0.5])))
        side_by_side(found)
        assert found.best.number == 2
        assert marked == [[pytest.approx(0.5), 1.0, 1.0]]

    def test_names_break_between_words(self, study):
        text = (study.folder / "tuning.html").read_text("utf-8")
        assert "stages.<wbr>0.<wbr>learning_<wbr>rate" in text
        for name in (
            "stages.0.backbone_learning_rate",
            "OSCR",
            "averyveryverylongword.x",
            "two words of a measure",
            "",
        ):
            assert in_lines(name).replace("\n", "").replace(" ", "") == name.replace(" ", "")
        assert in_lines("averyveryverylongword.x").splitlines() == ["averyveryverylongword.", "x"]

    def test_what_is_strange_is_escaped(self, tmp_path):
        parameters = [{"kind": "choice", "key": NASTY[0], "choices": [*NASTY]}]
        space = SpaceRecipe.model_validate({"parameters": parameters})
        trials = tuple(Trial(at, "done", {NASTY[0]: word}, at / 7, reason=word) for at, word in enumerate(NASTY, 1))
        out = write_tuning(
            Tuning(tmp_path, space, trials, measure=NASTY[1], about={NASTY[0]: NASTY[1]}), tmp_path / "p"
        )
        require_self_contained(out.read_text("utf-8"))

    @pytest.mark.parametrize("values", [[None], [0.5], [0.5, 0.5], [0.0, None, -1e9]])
    def test_few_and_equal_values_are_drawn(self, tmp_path, values):
        states = ["stopped early" if value is None else "done" for value in values]
        settings = [{"stages.0.learning_rate": 0.001, "stages.0.n_epochs": 2, "losses.0": {"kind": "triplet"}}] * 3
        trials = tuple(map(Trial, range(1, 4), states, settings, values))
        require_self_contained(write_tuning(Tuning(tmp_path, SPACE, trials), tmp_path / "p").read_text("utf-8"))


@pytest.mark.usefixtures("no_page")
class TestNetworks:
    @pytest.fixture
    def trainings(self, monkeypatch):
        """Training that does nothing but note what it is asked for."""
        asked = []

        def train_network(folder, *, recipe, run, name, seed, on_judged, export):
            asked.append((folder, recipe, run, name, seed, export))
            oscr = recipe.stages[0].n_epochs / 20
            on_judged(1, oscr)
            return types.SimpleNamespace(best_oscr=oscr)

        room = types.ModuleType("resight.train.networks.training")
        room.train_network = train_network
        monkeypatch.setitem(sys.modules, room.__name__, room)
        return asked

    def test_each_trial_trains_the_recipe_with_its_settings(self, trainings, tmp_path):
        found = tune_network(tmp_path / "mine", SPACE, recipe=TrainRecipe(), run=tmp_path / "run", n_trials=3, seed=4)
        assert found.measure == "OSCR"
        for (folder, recipe, run, name, seed, export), trial in zip(trainings, found.trials, strict=True):
            assert recipe == overridden(TrainRecipe(), trial.settings)
            assert (folder, run) == (tmp_path / "mine", tmp_path / "run" / "trials" / name)
            assert (name, seed, export) == (f"trial-{trial.number:03d}", 4, False)

    def test_all_trials_are_judged_and_by_the_same(self, trainings, tmp_path):
        blind = overridden(TrainRecipe(), {"hold_out.n_parts": 0})
        with pytest.raises(ConfigError, match="found n_parts = 0"):
            tune_network("mine", SPACE, recipe=blind, run=tmp_path)
        space = SpaceRecipe.parse("[[parameters]]\nkind='whole'\nkey='hold_out.n_parts'\nlow=2\nhigh=4")
        with pytest.raises(ConfigError, match="judged by others"):
            tune_network("mine", space, recipe=TrainRecipe(), run=tmp_path)
        assert trainings == []
