"""Signing in with a password in a real browser, and out again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="expected playwright for the tests of the pages: run  make .venv-dev/.ready")
from playwright.sync_api import expect

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"


def test_a_user_signs_in_decides_and_signs_out(page, with_users):
    context = page.context.browser.new_context(viewport={"width": 1280, "height": 800})
    other = context.new_page()
    other.goto(with_users.link)
    for told in ("a wrong one", "correct horse battery"):
        other.get_by_label("Name").fill("carla")
        other.get_by_label("Password").fill(told)
        other.get_by_role("button", name="Sign in").click()
        if told == "a wrong one":
            expect(other.get_by_role("alert")).to_contain_text("expected the name and password of a user")
            other.screenshot(path=SCREENSHOTS / "sign-in-1280.png")
    expect(other.locator("#left")).to_contain_text("wait")
    expect(other.locator("header")).to_contain_text("carla")
    expect(other.locator("#stage")).to_have_attribute("data-image-id", re.compile("."))
    expect(other.locator("body")).not_to_have_attribute("aria-busy", "true")
    before = with_users.store.last_entry()
    other.keyboard.press("p")
    expect(other.locator("#message")).to_contain_text("Written as")
    entry = with_users.store.log(after=before)[0]
    assert (entry.who, entry.detail["says"]) == ("carla", "poor")
    with_users.store.undo(entry.number, who="carla")
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    other.goto(with_users.link.replace("/login", "/"))
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()


def test_a_link_that_was_used_is_explained_on_a_page(page, service):
    context = page.context.browser.new_context()
    other = context.new_page()
    assert other.goto(service.link).status == 403
    expect(other.get_by_role("alert")).to_contain_text("link")
    expect(other.locator("main")).to_contain_text("What was decided is kept")
    context.close()
