"""Two reviewers at once, on SQLite and on PostgreSQL: nothing is lost, and the journal is the whole truth."""

from __future__ import annotations

import pytest

from store.random_reviewer import require_nothing_lost, start_catalogue, two_at_once

N_DECISIONS = 50


@pytest.mark.parametrize("server", ["sqlite", "postgresql"])
def test_two_reviewers_at_once_lose_no_decision(server, tmp_path, request):
    url = request.getfixturevalue("postgres") if server == "postgresql" else None
    store = start_catalogue(tmp_path / "catalogue", url)
    did = two_at_once(store.folder, url, N_DECISIONS)
    assert [len(one["done"]) for one in did] == [N_DECISIONS] * 2
    require_nothing_lost(store, did)
    by = {entry.number: entry.who for entry in store.log()}
    assert all(by[number] == one["who"] for one in did for number in one["done"])
