"""One afternoon of review through the service gives the same tables, whichever database keeps them."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from starlette.testclient import TestClient

from resight.datasets import make_synthetic
from resight.pipeline import calibrate_catalogue, index_photos
from resight.serve.app import create_app, create_service
from resight.serve.settings import Settings
from resight.store import CatalogueStore
from review_service import jpeg, until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

TOKENS = {"a-token-of-anna-0000": "anna", "a-token-of-ben-00000": "ben"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    make_synthetic(folder, n_identities=5, n_encounters=2, n_photos=2, n_strangers=2, side_px=64, seed=3)
    return folder


def reviewed(photos, folder):
    """What a made-up afternoon leaves: the journal, the labels, and the individuals; opened again in between."""
    index_photos(photos, folder)
    calibrate_catalogue(folder, "fpir=0.2")
    settings = Settings(tokens=TOKENS, rate_per_s=10_000, burst=10_000)
    with asked_by_two(folder, settings) as (anna, ben):
        waiting = [one["image_id"] for one in anna.get("/v1/queue", params={"n": 4}).json()["items"]]
        names = [one["name"] for one in anna.get("/v1/individuals").json()["individuals"]]
        seen = anna.get("/v1/photo", params={"image_id": waiting[0]}).json()["version"]
        said = {"image_id": waiting[0], "says": "same", "identity": names[0], "seen": seen}
        assert anna.post("/v1/judgements", json=said).status_code == 201
        refused = ben.post("/v1/judgements", json={**said, "says": "different"})
        assert (refused.status_code, refused.json()["theirs"]["who"]) == (409, "anna")
        for image_id, word in zip(waiting[1:], ("new", "unsure", "poor"), strict=True):
            about = {"identity": names[1]} if word == "unsure" else {}
            assert ben.post("/v1/judgements", json={"image_id": image_id, "says": word, **about}).status_code == 201
        assert anna.post("/v1/merge", json={"identities": [names[2]], "into": names[3]}).status_code == 201
    with asked_by_two(folder, settings) as (anna, ben):
        assert ben.post("/v1/undo", json={}).status_code == 201
        moved = anna.get("/v1/individual", params={"name": names[3]}).json()["photos"][:2]
        split = {"image_ids": [one["image_id"] for one in moved], "new_identity": "Ümit; “x”"}
        assert anna.post("/v1/split", json=split).status_code == 201
        job = anna.post("/v1/jobs", files=[("photos", ("b.jpg", jpeg()))], data={"side": "left"}).json()
        until(lambda: anna.get(f"/v1/jobs/{job['job_id']}").json()["state"], lambda state: state in ("done", "failed"))
        assert anna.get("/v1/queue", params={"n": 100}).json()["n_left"] > 0
        told = {name: anna.get(f"/v1/{name}").json() for name in ("individuals", "contradictions", "dashboard")}
    store = CatalogueStore.open(folder)
    journal = [(one.who, one.verb, {k: v for k, v in one.detail.items() if k != "job"}) for one in store.log()]
    labels = {i: label for i, label in store.labels().items() if not i.startswith("photos/")}
    return journal, labels, told, len(store.labels())


@contextmanager
def asked_by_two(folder, settings):
    """The service on a catalogue, for as long as two people ask it."""
    app = create_app(create_service(folder, settings))
    anna, ben = (TestClient(app, base_url="http://127.0.0.1:8000") for _ in TOKENS)
    with anna:  # ben is not entered: the application would end twice
        for client, token in zip((anna, ben), TOKENS, strict=True):
            client.headers["Authorization"] = f"Bearer {token}"
        yield anna, ben


def test_both_databases_tell_the_same(photos, tmp_path, postgres, monkeypatch):
    monkeypatch.delenv("RESIGHT_DATABASE", raising=False)
    ours = reviewed(photos, tmp_path / "sqlite")
    monkeypatch.setenv("RESIGHT_DATABASE", postgres)
    theirs = reviewed(photos, tmp_path / "postgres")
    assert not (tmp_path / "postgres" / "catalogue.db").exists()
    assert len(ours[0]) >= 7
    assert ours == theirs
