"""The record of a run: whole after a kill, the same after a resumption, and MLflow beside it but never before it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import textwrap
import urllib.request
import warnings

import polars as pl
import pytest

from resight.errors import InputError, MissingExtraError
from resight.train.tracking import RunLog, open_tracking, read_figures, read_run, read_timings, serving, sync
from resight.train.tracking import mirror as mirror_module
from resight.train.tracking.mirror import DATABASE, Mirror


def log_of(folder, **options):
    return RunLog(folder, name="first", parameters={"recipe": {"stages": [{"n_epochs": 2}]}, "seed": 3}, **options)


def trained(folder, steps=6, *, since=None, **options):
    """A run that notes a figure a step, and one an epoch of two steps."""
    with log_of(folder, **options) as log:
        if since is not None:
            log.rewind(since)
        for step in range((since or 0) + 1, steps + 1):
            epoch = (step + 1) // 2
            log.figure({"loss": 1 / step, "rate": 0.1}, stage="all", epoch=epoch, step=step)
            log.timing({"step s": 0.01}, stage="all", epoch=epoch, step=step)
            if step % 2 == 0:
                log.figure({"OSCR": step / 10}, stage="all", epoch=epoch, step=step)
        log.finish({"best_oscr": steps / 10, "nothing": float("nan")})
    return folder


class TestFiles:
    def test_each_figure_comes_back_in_order(self, tmp_path):
        with log_of(tmp_path / "run") as log:
            log.figure({"loss": 0.1 + 0.2, "none": float("nan"), "much": float("inf")}, stage="a, b", epoch=1, step=7)
            log.figure({'odd "name"\nhere': -1}, stage="x\r\ny", epoch=2, step=8)
        rows = read_figures(tmp_path / "run").rows()
        assert rows[0] == ("a, b", 1, 7, "loss", 0.1 + 0.2)
        assert rows[1][4] != rows[1][4]
        assert rows[2][4] == float("inf")
        assert rows[3] == ("x y", 2, 8, 'odd "name" here', -1.0)

    def test_without_a_figure_the_table_is_empty(self, tmp_path):
        with log_of(tmp_path):
            pass
        assert read_figures(tmp_path).shape == (0, 5)
        assert read_figures(tmp_path).schema["value"] == pl.Float64

    @pytest.mark.parametrize("n_lost", [1, 5, 12])
    def test_half_a_line_at_the_end_is_dropped(self, tmp_path, n_lost):
        path = trained(tmp_path) / "figures.csv"
        whole = path.read_bytes()
        path.write_bytes(whole[:-n_lost])
        assert len(read_figures(tmp_path)) == whole.count(b"\n") - 2
        with log_of(tmp_path) as log:
            log.figure({"OSCR": 0.6}, stage="all", epoch=3, step=6)
        assert path.read_bytes() == whole

    def test_half_a_header_is_mended(self, tmp_path):
        (tmp_path / "figures.csv").write_bytes(b"stage,ep")
        assert read_figures(trained(tmp_path)).rows()[0][3] == "loss"

    def test_something_else_is_refused_and_kept(self, tmp_path):
        (tmp_path / "figures.csv").write_bytes(b"my own notes")
        with pytest.raises(InputError, match="found something else"), log_of(tmp_path):
            pass
        assert (tmp_path / "figures.csv").read_bytes() == b"my own notes"

    @pytest.mark.parametrize("checkpoint", [0, 2, 3, 5])
    def test_a_resumed_run_has_the_figures_of_an_undisturbed_one(self, tmp_path, checkpoint):
        undisturbed = trained(tmp_path / "whole")
        trained(tmp_path / "cut", 5)
        trained(tmp_path / "cut", since=checkpoint)
        assert (tmp_path / "cut" / "figures.csv").read_bytes() == (undisturbed / "figures.csv").read_bytes()

    def test_a_rewind_keeps_the_step_of_the_checkpoint(self, tmp_path):
        with log_of(trained(tmp_path)) as log:
            log.rewind(4)
        assert read_figures(tmp_path)["step"].to_list() == [1, 1, 2, 2, 2, 3, 3, 4, 4, 4]
        assert read_timings(tmp_path)["step"].to_list() == [1, 2, 3, 4]
        assert not list(tmp_path.glob(".*"))

    def test_a_killed_run_loses_nothing_that_it_noted(self, tmp_path):
        code = f"""
            import os, signal
            from pathlib import Path
            from resight.train.tracking import RunLog
            with RunLog(Path({str(tmp_path)!r}), name="x", parameters={{}}) as log:
                for step in range(1, 101):
                    log.figure({{"loss": step}}, stage="all", epoch=1, step=step)
                os.kill(os.getpid(), signal.SIGKILL)
        """
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, timeout=60)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert read_figures(tmp_path)["value"].to_list() == list(range(1, 101))
        assert read_run(tmp_path)["state"] == "running"

    def test_other_lines_are_a_sentence(self, tmp_path):
        (tmp_path / "figures.csv").write_text("stage,epoch,step,name,value\nall,1,x,loss,1\n")
        with pytest.raises(InputError, match="found other lines"):
            read_figures(tmp_path)
        with pytest.raises(InputError, match="found none"):
            read_figures(tmp_path / "nowhere")


class TestRecord:
    def test_it_says_what_the_run_was(self, tmp_path):
        record = read_run(trained(tmp_path))
        assert (record["name"], record["state"], record["error"]) == ("first", "finished", None)
        assert record["parameters"]["recipe"]["stages"] == [{"n_epochs": 2}]
        assert record["result"] == {"best_oscr": 0.6, "nothing": None}
        assert record["hardware"]["n_cores"] >= 1
        assert {"resight", "python"} <= set(record["versions"])
        assert record["started"] <= record["ended"]

    @pytest.mark.parametrize(
        ("error", "state", "said"),
        [
            (ValueError("no such thing"), "failed", "ValueError: no such thing"),
            (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt"),
            (SystemExit(1), "interrupted", "SystemExit: 1"),
        ],
    )
    def test_it_says_how_the_run_ended(self, tmp_path, error, state, said):
        def ends_badly():
            with log_of(tmp_path) as log:
                assert read_run(tmp_path)["state"] == "running"
                log.finish({})
                raise error

        with pytest.raises(type(error)):
            ends_badly()
        record = read_run(tmp_path)
        assert (record["state"], record["error"]) == (state, said)
        assert record["ended"]

    def test_a_run_left_without_a_result_was_interrupted(self, tmp_path):
        with log_of(tmp_path):
            pass
        assert read_run(tmp_path)["state"] == "interrupted"

    def test_a_run_that_goes_on_is_the_same_run(self, tmp_path):
        before = read_run(trained(tmp_path, 4))
        after = read_run(trained(tmp_path, since=4))
        assert (after["id"], after["started"]) == (before["id"], before["started"])
        assert (len(before["resumed"]), len(after["resumed"])) == (0, 1)

    def test_what_came_of_it_is_named_once(self, tmp_path):
        with log_of(tmp_path / "run") as log:
            (tmp_path / "run" / "bundle").mkdir()
            (tmp_path / "page.html").write_text("x")
            log.artefact(tmp_path / "run" / "bundle")
            log.artefact(tmp_path / "run" / "bundle")
            log.artefact(tmp_path / "page.html")
            with pytest.raises(InputError, match="found none at"):
                log.artefact(tmp_path / "absent")
        assert read_run(tmp_path / "run")["artefacts"] == ["bundle", str(tmp_path / "page.html")]

    def test_what_is_no_record_is_a_sentence(self, tmp_path):
        with pytest.raises(InputError, match=r"found no run\.json"):
            read_run(tmp_path)
        (tmp_path / "run.json").write_text("[]")
        with pytest.raises(InputError, match="of format 1"):
            read_run(tmp_path)
        (tmp_path / "run.json").write_text("{")
        with pytest.raises(InputError, match="found no JSON"):
            read_run(tmp_path)

    def test_nothing_heavy_is_loaded_with_it(self):
        code = (
            "import sys, resight.train.tracking, resight.train.tuning\n"
            "assert not {'torch', 'mlflow', 'optuna', 'matplotlib', 'sqlalchemy.orm'} & set(sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr


def client_of(runs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=f"sqlite:///{runs / DATABASE}")
        return client, client.search_runs([client.get_experiment_by_name("resight").experiment_id])


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """An empty database of MLflow, which takes seconds to make."""
    pytest.importorskip("mlflow")
    runs = tmp_path_factory.mktemp("mlflow")
    record = {"id": "0", "name": "none", "started": "2026-01-01T00:00:00+00:00", "parameters": {}}
    mirror = Mirror.open(runs, record, runs)
    mirror._client.delete_run(mirror.run_id)
    return (runs / DATABASE).read_bytes()


@pytest.fixture
def runs(tmp_path, database):
    """A folder for runs with such a database."""
    (tmp_path / DATABASE).write_bytes(database)
    return tmp_path


def history(client, run, name):
    return [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, name)]


class TestMlflow:
    def test_it_gets_all_of_a_run(self, runs):
        with log_of(runs / "a", mlflow=str(runs)) as log:
            log.figure({"loss": 1.5, "share<1": 0.5}, stage="all", epoch=1, step=1)
            (log.folder / "report.html").write_text("page")
            (log.folder / "bundle").mkdir()
            (log.folder / "bundle" / "model.json").write_text("{}")
            log.artefact(log.folder / "report.html")
            log.artefact(log.folder / "bundle")
            log.finish({"best_oscr": 0.5})
        client, (run,) = client_of(runs)
        assert (run.info.run_name, run.info.status) == ("first", "FINISHED")
        assert run.data.params == {"recipe.stages.0.n_epochs": "2", "seed": "3"}
        assert run.data.metrics == {"loss": 1.5, "share_1": 0.5, "result/best_oscr": 0.5}
        names = {one.path for one in client.list_artifacts(run.info.run_id)}
        assert names == {"report.html", "bundle", "run.json", "figures.csv", "timings.csv"}
        assert read_run(runs / "a")["mlflow"]["run_id"] == run.info.run_id

    def test_a_resumed_run_goes_on_there_and_no_step_comes_twice(self, runs):
        trained(runs / "a", 5, mlflow=str(runs))
        trained(runs / "a", since=2, mlflow=str(runs))
        client, (run,) = client_of(runs)
        assert history(client, run, "loss") == [(step, pytest.approx(1 / step)) for step in range(1, 7)]
        assert run.info.status == "FINISHED"

    def test_plain_runs_are_told_later_and_once(self, runs):
        trained(runs / "a")
        trained(runs / "deeper" / "b", 2)
        with pytest.raises(ZeroDivisionError), log_of(runs / "c"):
            1 / 0  # noqa: B018
        assert sync(runs) == 3
        assert sync(runs) == 0
        client, found = client_of(runs)
        assert sorted(run.info.status for run in found) == ["FAILED", "FINISHED", "FINISHED"]
        longest = max(found, key=lambda run: run.data.metrics.get("result/best_oscr", 0))
        assert [step for step, _ in history(client, longest, "loss")] == [1, 2, 3, 4, 5, 6]
        assert "timing/step s" in longest.data.metrics
        trained(runs / "a", 8, since=6)
        assert sync(runs) == 1
        assert [step for step, _ in history(client, longest, "loss")] == [1, 2, 3, 4, 5, 6, 7, 8]
        assert len(client_of(runs)[1]) == 3

    def test_a_run_that_tells_mlflow_itself_is_left_alone(self, runs):
        with log_of(runs / "a", mlflow=str(runs)):
            assert sync(runs) == 0

    def test_a_failure_is_said_once_and_training_goes_on(self, runs, monkeypatch):
        def locked(*_, **__):
            raise MlflowException("(sqlite3.OperationalError) database is locked\n[SQL: ...]")

        from mlflow.exceptions import MlflowException

        monkeypatch.setattr(mirror_module, "_FLUSH_S", 0.0)
        with log_of(runs / "a", mlflow=str(runs)) as log:
            monkeypatch.setattr(log._mirror._client, "log_batch", locked)
            with pytest.warns(UserWarning, match=r"\) database is locked; training goes on"):
                log.figure({"loss": 2.0}, stage="all", epoch=1, step=1)
            log.figure({"loss": 1.0}, stage="all", epoch=1, step=2)  # a second warning would be an error
            log.finish({})
        assert read_figures(runs / "a")["value"].to_list() == [2.0, 1.0]
        assert read_run(runs / "a")["state"] == "finished"
        assert sync(runs) == 1
        client, (run,) = client_of(runs)
        assert history(client, run, "loss") == [(1, 2.0), (2, 1.0)]

    def test_what_is_no_database_is_a_sentence_at_the_start(self, tmp_path):
        pytest.importorskip("mlflow")
        (tmp_path / DATABASE).write_bytes(b"no database at all" * 100)
        with (
            pytest.raises(InputError, match="expected MLflow to take the run"),
            log_of(tmp_path / "a", mlflow=str(tmp_path)),
        ):
            pass

    def test_without_mlflow_the_remedy_is_named(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "mlflow", None)
        with pytest.raises(MissingExtraError, match=r"resight\[train\]"), log_of(tmp_path / "a", mlflow=str(tmp_path)):
            pass
        assert trained(tmp_path / "b")

    def test_its_pages_answer_on_this_machine(self, runs):
        trained(runs / "a", 2)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with serving(runs, port=port) as (address, server):
            with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:  # noqa: S310  our own server
                assert answer.read() == b"OK"
            with pytest.raises(InputError, match=f"expected a port that is free, found {port}"):
                open_tracking(runs, port=port)
        assert server.poll() is not None


class TestTrackingRefuses:
    def test_hosts_that_others_reach(self, tmp_path):
        with pytest.raises(InputError, match=r"ssh -L 5000:127\.0\.0\.1:5000"):
            open_tracking(tmp_path, "0.0.0.0")  # noqa: S104  that is the test

    def test_a_folder_without_runs(self, runs):
        (runs / DATABASE).unlink()
        with pytest.raises(InputError, match="found none"):
            open_tracking(runs, port=0)
        with pytest.raises(InputError, match="expected a folder of training runs"):
            sync(runs / "absent")
