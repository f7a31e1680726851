"""The API asked at random, from its own description: whatever comes, no answer is a failure of the service."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

pytestmark = pytest.mark.filterwarnings("ignore")

_AT_RANDOM = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def test_nothing_breaks_it(served):
    schema = schemathesis.openapi.from_dict(served.get("/v1/openapi.json").json())
    asked = []
    for found in schema.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @_AT_RANDOM
        def ask(case):
            asked.append((case.method, case.path, sent(served, case)))

        ask()
    assert len({(method, path) for method, path, _ in asked}) > 20
    assert [one for one in asked if one[2] >= 500] == []


def sent(client, case):
    """The status of the answer; 0 for what no client could send."""
    told = case.as_transport_kwargs(base_url="http://127.0.0.1:8000")
    data = told.get("data")
    body = {"content" if isinstance(data, (bytes, str)) else "data": data}
    kept = {name: told[name] for name in ("method", "url", "params", "json", "files") if told.get(name) is not None}
    if "files" in kept:  # the client takes no numbers in a form
        kept["files"] = [
            (name, (file, str(part) if isinstance(part, (int, float)) else part))
            for name, (file, part) in kept["files"]
        ]
    headers = {name: value for name, value in (told.get("headers") or {}).items() if name.lower() == "content-type"}
    try:
        return client.request(**kept, **(body if data is not None else {}), headers=headers).status_code
    except (ValueError, TypeError, UnicodeError):
        return 0
