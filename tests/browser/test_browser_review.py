"""A person reviews by keys alone, in a real browser, while the service is killed: nothing is lost."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="expected playwright for the tests of the pages: run  make .venv-dev/.ready")
from playwright.sync_api import Page, expect

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
SAYS = {"s": "same", "d": "different", "t": "unsure", "n": "new", "p": "poor"}
SETTLED = """() => new Promise((done) => {
  const look = () => (document.body.hasAttribute("aria-busy") ? requestAnimationFrame(look) : done());
  look();
})"""
ROUND = ("s", "n", "ds", "t", "2s", "p", "3t", "n", "kn", "s")
"""What is pressed on a photo: what begins with D or K goes on with the same or the next one."""


def settled(page: Page) -> None:
    """Wait until what was pressed is done."""
    page.evaluate(SETTLED)


def in_sight(page: Page) -> tuple[str, str]:
    """The photo and the candidate that the page shows."""
    return page.locator("#stage").get_attribute("data-image-id") or "", page.locator("#candidate-name").inner_text()


def press(page: Page, keys: str) -> list[tuple[str, str, str | None]]:
    """Press keys one by one; gives what each decision should have written."""
    said = []
    for key in keys:
        image_id, candidate = in_sight(page)
        page.keyboard.press(key)
        settled(page)
        if key in SAYS:
            expect(page.locator("#message")).to_contain_text("Written as")
            said.append((image_id, SAYS[key], candidate if key in "sdt" else None))
    return said


def standing(service) -> list[tuple[str, str, str | None]]:
    """What the journal says, but for what was undone."""
    told = [entry.detail for entry in service.store.judgements()]
    return [(one["image_id"], one["says"], one.get("identity") if one["says"] != "new" else None) for one in told]


def shot(page: Page, name: str) -> None:
    """Pictures of a page for a person to look at, wide and narrow."""
    for width, height in ((1280, 800), (1024, 768), (768, 1024)):
        page.set_viewport_size({"width": width, "height": height})
        for image in page.locator("img:visible").all():
            expect(image).to_have_js_property("complete", value=True)
        page.screenshot(path=SCREENSHOTS / f"{name}-{width}.png")
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{name} is {overflow} px too wide at {width} px"
    page.set_viewport_size({"width": 1280, "height": 800})


def test_twenty_photos_by_keys_with_a_killed_service_between(page, service):
    settled(page)
    expect(page.locator("#left")).to_contain_text("photos wait")
    shot(page, "review")
    said = []
    for number in range(22):
        said += press(page, ROUND[number % len(ROUND)])
        if number == 6:  # a decision taken back leaves no trace in what stands, also after a reload
            page.reload()
            settled(page)
            page.keyboard.press("u")
            expect(page.locator("#message")).to_contain_text("Undone")
            assert in_sight(page)[0] == said.pop()[0]
        if number == 11:
            service.stop(signal.SIGKILL)
            page.keyboard.press("s")
            expect(page.locator("#message")).to_contain_text("does not answer")
            page.screenshot(path=SCREENSHOTS / "review-killed.png")
            page.goto(service.start())
            settled(page)
    assert len({image_id for image_id, *_ in said}) >= 20
    assert standing(service) == said
    found = service.store.labels({image_id for image_id, says, _ in said if says == "same"})
    shown = {image_id: identity for image_id, says, identity in said if says == "same"}
    assert {image_id: label.identity for image_id, label in found.items()} == shown
    assert {entry.who for entry in service.store.log()} == {"anna"}
    assert re.fullmatch(r"\d+ photos? waits?", page.locator("#left").inner_text())
