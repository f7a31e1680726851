"""Processes that read photos: whose fault it is when one dies, hangs or cannot start."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from resight.core import Catalogue
from resight.errors import ImageError, StoreError
from resight.pipeline.review import ReviewDesk
from resight.serve.app import create_service
from resight.serve.settings import Settings
from resight.serve.work import Workers
from review_service import TOKEN, client_of, until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@contextmanager
def workers(timeout_s=30.0, bundle=None, max_pixels=10_000_000, n_waiting=4, **options):
    found = Workers(1, n_waiting, timeout_s, bundle, 10_000_000, max_pixels, **options)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (80, 60, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg")
    Image.fromarray(pixels[::-1]).save(tmp_path / "b.jpg")
    return tmp_path / "a.jpg"


def test_the_time_that_a_start_takes_is_not_the_photos(photo):
    with workers(timeout_s=0.5) as found:  # a start takes longer
        assert found.picture(photo, 32, None)[:2] == b"\xff\xd8"
        assert found.n_restarts == 0


def test_a_process_that_died_while_idle_or_that_hangs_costs_no_photo(photo):
    with workers(timeout_s=2) as found:
        found.picture(photo, 32, None)
        os.kill(found.pids()[0], signal.SIGKILL)
        assert found.picture(photo, 32, None)
        assert found.n_restarts == 1
        (hanging,) = found.pids()
        os.kill(hanging, signal.SIGSTOP)  # it hears no request to end either
        assert found.picture(photo, 32, None)
        with pytest.raises(ProcessLookupError):
            os.kill(hanging, 0)
        assert found.n_restarts == 2


def test_what_happens_twice_is_the_photos_doing(photo):
    with workers(timeout_s=1e-6) as found:
        with pytest.raises(ImageError, match="took too long"):
            found.picture(photo, 32, None)
        assert found.n_restarts == 2


def test_a_start_that_never_ends_is_said(photo):
    with workers(start_timeout_s=1e-3) as found, pytest.raises(StoreError, match="before its model is loaded"):
        found.picture(photo, 32, None)


def test_whoever_waits_hears_that_the_service_ends(photo):
    with workers() as found:
        found.picture(photo, 32, None)
        os.kill(found.pids()[0], signal.SIGSTOP)
        said = []

        def ask():
            with pytest.raises(StoreError, match="ending"):
                found.picture(photo, 32, None)
            said.append(True)

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.2)
        found.close()
        asking.join(10)
        assert said


def test_lines_are_found_within_the_limits_of_the_service(photo):
    rows = {"image_id": ["a", "b"], "path": ["a.jpg", "b.jpg"], "content": [None, None]}
    pair = Catalogue(pl.DataFrame(rows), photo.parent)
    with workers(max_pixels=1_000) as found, pytest.raises(ImageError, match="at most 1,000 are allowed"):
        found.lines(photo.parent / "elsewhere", pair)


def test_a_service_whose_model_is_broken_says_so_and_keeps_the_photos(folder, tmp_path):
    settings = Settings(tokens={TOKEN: "anna"})
    service = create_service(folder, settings)
    service.workers.close()
    with workers(bundle=tmp_path / "absent") as broken:
        service.workers = service.jobs._workers = broken
        with client_of(service) as client:
            content = next(Path(desk_photo(service)).parent.glob("*")).read_bytes()
            answer = client.post("/v1/identify", files={"photo": ("q.jpg", content)})
            assert (answer.status_code, "can be loaded" in answer.json()["detail"]) == (503, True)
            job = client.post("/v1/jobs", files={"photos": ("q.jpg", content)}).json()
            told = until(lambda: client.get(f"/v1/jobs/{job['job_id']}").json(), lambda one: one["reason"])
    assert (told["state"], told["failures"], "can be loaded" in told["reason"]) == ("waiting", [], True)
    with client_of(create_service(folder, settings)) as client:
        assert '"state": "done"' in client.get(f"/v1/jobs/{job['job_id']}/events").text
        done = client.get(f"/v1/jobs/{job['job_id']}").json()
    assert (done["n_done"], done["failures"], done["reason"]) == (1, [], "")
    assert job["image_ids"][0] in ReviewDesk.open(folder).store.embeddings(service.desk.model).image_ids


def test_health_is_answered_while_all_processes_are_busy_and_the_queue_is_full(folder):
    defaults = Settings(tokens={TOKEN: "anna"})
    service = create_service(folder, replace(defaults, work_timeout_s=8))
    with client_of(service) as client:
        path = f"/v1/photo/image?image_id={service.desk.queue(n=1).items[0].image_id}"
        assert client.get(path).status_code == 200
        (pid,) = service.workers.pids()
        os.kill(pid, signal.SIGSTOP)
        statuses: list[int] = []
        n_asking = defaults.n_waiting + defaults.n_workers + 20
        asking = [
            threading.Thread(target=lambda n=n: statuses.append(client.get(f"{path}&side_px={100 + n}").status_code))
            for n in range(n_asking)
        ]
        for one in asking:
            one.start()
        until(lambda: statuses.count(503), lambda n: n >= 20)
        began = time.monotonic()
        assert client.get("/v1/health").json()["status"] == "ok"
        assert client.get("/v1/filters").status_code == 200
        assert time.monotonic() - began < 4
        os.kill(pid, signal.SIGCONT)
        for one in asking:
            one.join()
        assert sorted(statuses) == [200] * (n_asking - 20) + [503] * 20


def desk_photo(service):
    return service.desk.photo_file(service.desk.queue(n=1).items[0].image_id)[0]
