"""Photos that were sent in: nothing is lost, doubled or left behind, whatever is killed, full or broken meanwhile."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from urllib.parse import quote
from urllib.request import Request, urlopen

import numpy as np
import pytest

from resight.errors import StoreError, UnknownNameError
from resight.pipeline.review import ReviewDesk
from resight.serve.job_files import JobFiles
from resight.serve.jobs import Jobs
from resight.store import CatalogueStore
from review_service import HEADERS, TOKEN, jpeg, until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def photos(n, *broken):
    return [(f"{i}.jpg", io.BytesIO(b"no photo" if i in broken else jpeg(i))) for i in range(n)]


@pytest.fixture
def desk(folder):
    return ReviewDesk.open(folder)


class Instead:
    """Stands in for the workers: a vector for each photo, after some tries in vain."""

    def __init__(self, desk, n_in_vain=0, error=None, after=lambda: None):
        self.desk, self.n_in_vain, self.error, self.after = desk, n_in_vain, error, after

    def embed(self, folder, row, **_):
        from resight.core import Embeddings
        from resight.embed import EmbeddedBatch, Failure, FileStat

        if self.n_in_vain:
            self.n_in_vain -= 1
            raise self.error
        self.after()
        path, name = folder / row["path"], row["image_id"]
        stat = {name: FileStat(path.stat().st_size, path.stat().st_mtime_ns)}
        if path.read_bytes() == b"no photo":
            nothing = self.desk.empty_vectors()
            return EmbeddedBatch(nothing, {name: "0" * 32}, stat, (Failure(name, row["path"], "not a photo"),))
        vectors = self.desk.store.embeddings(self.desk.model).vectors[:1]
        return EmbeddedBatch(Embeddings(np.array([name]), vectors, self.desk.model), {name: "0" * 32}, stat, ())


@contextmanager
def running(desk, workers, **options):
    jobs = Jobs(desk, workers, **options)
    jobs.start()
    try:
        yield jobs
    finally:
        jobs.stop()


class TestWhatFails:
    def test_failures_outlive_a_stop_between_two_reports(self, desk):
        n_seen = []

        def stop_at_five():
            n_seen.append(1)
            if len(n_seen) == 5:
                jobs._stopping.set()

        with running(desk, Instead(desk, after=stop_at_five)) as jobs:
            job = jobs.add(photos(9, 2, 7), {}, "anna")
            until(lambda: len(n_seen), lambda n: n == 5)
        half = jobs.get(job.job_id)
        assert (half.state, half.n_done, [one for one, _ in half.failures]) == ("running", 5, [job.image_ids[2]])
        with running(desk, Instead(desk)) as jobs:
            done = until(lambda: jobs.get(job.job_id), lambda one: one.is_over)
        assert (done.state, done.n_done) == ("done", 9)
        assert [one for one, _ in done.failures] == [job.image_ids[2], job.image_ids[7]]

    def test_what_may_pass_is_tried_again(self, desk):
        with running(desk, Instead(desk, 3, StoreError("it is locked")), pause_s=0.01) as jobs:
            job = jobs.add(photos(2), {}, "anna")
            done = until(lambda: jobs.get(job.job_id), lambda one: one.is_over)
        assert (done.state, done.n_done, done.failures, done.reason) == ("done", 2, (), "")

    def test_after_tries_in_vain_it_waits_for_the_next_start_and_holds_up_nobody(self, desk):
        with running(desk, Instead(desk, 10, StoreError("it is locked")), pause_s=0.001) as jobs:
            first = jobs.add(photos(1), {}, "anna")
            waiting = until(lambda: jobs.get(first.job_id), lambda one: "starts again" in one.reason)
            assert (waiting.state, waiting.failures) == ("waiting", ())
            second = jobs.add(photos(1), {}, "anna")
            assert until(lambda: jobs.get(second.job_id), lambda one: one.is_over).state == "done"
        with running(desk, Instead(desk)) as jobs:
            assert until(lambda: jobs.get(first.job_id), lambda one: one.is_over).state == "done"

    def test_what_cannot_succeed_fails_and_the_next_job_is_done(self, desk):
        with running(desk, Instead(desk, 1, ZeroDivisionError())) as jobs:
            first, second = (jobs.add(photos(1), {}, "anna") for _ in range(2))
            assert until(lambda: jobs.get(second.job_id), lambda one: one.is_over).state == "done"
            assert jobs.get(first.job_id).state == "failed"


class TestWhatIsKept:
    def test_a_full_disk_leaves_nothing(self, desk, monkeypatch):
        def full(_):
            raise OSError(errno.ENOSPC, "No space left on device")

        jobs = Jobs(desk, None)
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(StoreError, match="No space left"):
                jobs.add(photos(2), {}, "anna")
        assert list((desk.store.folder / "photos").iterdir()) == []
        assert jobs.all() == []

    def test_an_upload_that_never_ended_is_removed_and_nothing_else(self, desk):
        files = JobFiles(desk.store.folder)
        job = files.keep(photos(1), {}, "anna")
        drafts = [files.photos / f".20200101-120000-{n:08x}" for n in range(2)]
        for place in (*drafts, files.photos / ".mine", files.photos / "20200101-120000-0000000a"):
            place.mkdir()
            (place / "a.jpg").write_bytes(b"")
            if place != drafts[1]:  # that one is written just now
                os.utime(place, (0, 0))
        os.utime(files.photos / job.job_id, (0, 0))
        files.sweep()
        left = {place.name for place in files.photos.iterdir()}
        assert left == {drafts[1].name, ".mine", "20200101-120000-0000000a", job.job_id}

    def test_an_unreadable_job_stops_nobody_and_keeps_its_photos(self, desk, folder, caplog):
        with running(desk, Instead(desk)) as jobs:
            lost = jobs.add(photos(2), {"side": "left", "place": "reef"}, "anna")
            until(lambda: jobs.get(lost.job_id), lambda one: one.is_over)
        (folder / "jobs" / f"{lost.job_id}.json").write_text('{"job_id": ')
        (folder / "jobs" / "20200101-120000-00000000.json").write_text("[]")
        half = {
            "job_id": "20200101-120000-00000001",
            "who": "",
            "at": "",
            "photos": [],
            "failures": [],
            "columns": None,
        }
        (folder / "jobs" / f"{half['job_id']}.json").write_text(json.dumps(half))
        with running(desk, Instead(desk)) as jobs:
            job = jobs.add(photos(1), {}, "anna")
            assert until(lambda: jobs.get(job.job_id), lambda one: one.is_over).state == "done"
            assert [one.job_id for one in jobs.all()] == [job.job_id]
            with pytest.raises(StoreError, match="cannot be read"):
                jobs.get(lost.job_id)
            with pytest.raises(UnknownNameError):
                jobs.get("20200101-120000-0000beef")
        assert "a job is left out: expected a job in" in caplog.text
        facts = desk.photo(lost.image_ids[1])  # registering the others has not removed it
        assert (facts.columns["side"], facts.columns["place"]) == ("left", "reef")
        assert len(desk.store.embeddings(desk.model)) == len(desk.store.catalogue())


class TestWhatIsSent:
    def test_place_and_date_are_filters_afterwards_and_a_date_is_checked(self, served):
        for date in ("May", "1.5.2024", "20240501", "2024-05-01T25:00", "2024-5-1"):
            answer = served.post("/v1/jobs", files={"photos": ("a.jpg", jpeg())}, data={"date": date})
            assert (answer.status_code, "expected date as" in answer.json()["detail"]) == (422, True), date
        told = {"date": "2024-05-01T09:30", "place": "reef"}
        job = served.post("/v1/jobs", files={"photos": ("a.jpg", jpeg(9))}, data=told).json()
        assert '"state": "done"' in served.get(f"/v1/jobs/{job['job_id']}/events").text
        assert served.get("/v1/filters").json()["place"] == ["reef"]
        found = served.get("/v1/queue", params={"filter": ["place:reef", "date:2024-05"]}).json()["items"]
        assert [one["image_id"] for one in found] == job["image_ids"]

    def test_a_photo_too_large_is_refused_before_it_is_all_there(self, served, monkeypatch):
        written = []

        class Counted(tempfile.SpooledTemporaryFile):
            def write(self, data):
                written.append(len(data))
                return super().write(data)

        monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", Counted)
        before = jobs_of(served)
        answer = served.post("/v1/jobs", files={"photos": ("q.jpg", bytes(40_000_000))})  # a job may have as much
        assert (answer.status_code, "found a larger one" in answer.json()["detail"]) == (413, True)
        assert sum(written) <= 2_000_000
        assert jobs_of(served) == before

    def test_a_form_that_breaks_off_or_is_none_is_refused(self, served):
        lead = b'--x\r\nContent-Disposition: form-data; name="photos"; filename="q.jpg"\r\n\r\nabc'
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        for content, headers, status in ((lead, kind, 400), (b"a", kind, 400), (b"photos=1", {}, 422)):
            assert served.post("/v1/jobs", content=content, headers=headers).status_code == status

    def test_a_full_temporary_disk_is_said(self, served, monkeypatch):
        class Full(tempfile.SpooledTemporaryFile):
            def write(self, _):
                raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", Full)
        answer = served.post("/v1/jobs", files={"photos": ("a.jpg", jpeg())})
        assert (answer.status_code, "expected room for photos" in answer.json()["detail"]) == (503, True)


def jobs_of(client):
    return [one["job_id"] for one in client.get("/v1/jobs").json()["jobs"]]


@contextmanager
def process(folder, tokens):
    """`resight review` as a process of its own, and where it answers."""
    command = [sys.executable, "-m", "resight", "review", "--catalogue", str(folder), "--token-file", str(tokens)]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    found = subprocess.Popen([*command, "--rate-per-s", "1000"], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        link = re.search(r"http://[^/\s]+", found.stdout.readline())[0]
        yield found, link
    finally:
        found.kill()
        found.wait(30)
        found.stdout.close()


def ask(link, path, form=()):
    """What the service answers; a form is sent by POST."""
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="photos"; filename="%s"\r\n\r\n%s\r\n'
        % (name.encode(), content.getvalue())
        for name, content in form
    ]
    body = b"".join([*parts, b"--x--\r\n"]) if parts else None
    headers = HEADERS | ({"Content-Type": "multipart/form-data; boundary=x"} if parts else {})
    with urlopen(Request(link + path, body, headers), timeout=60) as answer:  # noqa: S310  our own service
        return json.load(answer)


def test_a_service_killed_in_the_middle_of_a_job_goes_on_and_loses_nothing(folder, tmp_path):
    (tmp_path / "tokens").write_text(f"anna:{TOKEN}\n")
    store = CatalogueStore.open(folder)
    model, broken = store.models()[0].name, (1, 18, 25)
    n_before = len(store.embeddings(model))
    with process(folder, tmp_path / "tokens") as (service, link):
        job = ask(link, "/v1/jobs", photos(30, *broken))
        until(lambda: len(store.failures(model)), lambda n: n >= 2)  # the second stands in no report of the job yet
        service.send_signal(signal.SIGKILL)
        service.wait(30)
    assert n_before < len(store.embeddings(model)) < n_before + 27, "expected to kill it in the middle"
    with process(folder, tmp_path / "tokens") as (_, link):
        done = until(lambda: ask(link, f"/v1/jobs/{job['job_id']}"), lambda one: one["state"] in ("done", "failed"))
        failed = [name for name, _ in done["failures"]]
        assert (done["state"], done["n_done"]) == ("done", 30)
        assert failed == [job["image_ids"][n] for n in broken]
        for image_id in set(job["image_ids"]) - set(failed):
            assert ask(link, f"/v1/candidates?image_id={quote(image_id)}")["candidates"]
    ids = store.embeddings(model).image_ids.tolist()
    assert len(ids) == len(set(ids)) == n_before + 27
