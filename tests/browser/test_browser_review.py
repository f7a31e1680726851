"""A person reviews by keys alone, in a real browser, while the service is killed: nothing is lost."""

from __future__ import annotations

import base64
import re
import signal
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import pytest

from resight.core import Judgement

pytest.importorskip("playwright", reason="expected playwright for the tests of the pages: run  make .venv-dev/.ready")
from playwright.sync_api import Page, expect

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
SAYS = {"s": "same", "d": "different", "t": "unsure", "n": "new", "p": "poor"}
PANES = ("query", "candidate")
LONG = "Nandolwenkosi-of-the-Upper-Ntshongweni-Valley, first seen with a torn left ear"
DROPPED = """(data) => {
  const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  const moved = new DataTransfer();
  moved.items.add(new File([bytes], "new.jpg", { type: "image/jpeg" }));
  moved.items.add(new File(["no photo"], "broken.jpg", { type: "image/jpeg" }));
  return moved;
}"""
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
    for width, height in ((1280, 800), (1024, 768), (768, 1024)) if name == "review" else ((1280, 800), (768, 1024)):
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
            link = service.start()
            page.goto(service.address("/individuals"))
            expect(page.locator("main")).to_contain_text("Open the link")  # the session ended with the service
            page.goto(link)
            settled(page)
    assert len({image_id for image_id, *_ in said}) >= 20
    assert standing(service) == said
    found = service.store.labels({image_id for image_id, says, _ in said if says == "same"})
    shown = {image_id: identity for image_id, says, identity in said if says == "same"}
    assert {image_id: label.identity for image_id, label in found.items()} == shown
    assert {entry.who for entry in service.store.log()} == {"anna"}
    assert re.fullmatch(r"\d+ photos? waits?", page.locator("#left").inner_text())


def test_both_photos_zoom_together_with_lines_filter_and_ranking(page):
    page.keyboard.press("1")
    page.keyboard.press("m")
    expect(page.locator("#matched")).not_to_contain_text("Looking")
    expect(page.locator("#matched")).not_to_be_empty()
    page.keyboard.press("+")
    page.mouse.move(200, 400)
    page.mouse.wheel(0, -200)
    page.mouse.down()
    page.mouse.move(230, 410)
    page.mouse.up()
    shot(page, "review-lines")
    widths = [page.locator(f"#{name}-image").evaluate("one => one.clientWidth / one.naturalWidth") for name in PANES]
    assert widths[0] > 1.4 * page.locator("#query").evaluate("one => one.clientWidth") / 128
    page.keyboard.press("0")
    page.keyboard.press("m")
    page.keyboard.press("i")
    settled(page)
    expect(page.get_by_role("button", name="by image")).to_have_attribute("aria-pressed", "true")
    page.locator('select[name="place"]').select_option("reef")
    settled(page)
    page.reload()
    settled(page)
    expect(page.locator("#candidate-facts")).to_contain_text("reef")
    page.locator('select[name="place"]').select_option("")
    settled(page)
    page.keyboard.press("i")
    settled(page)


def test_a_conflict_shows_both_and_a_way_on(page, service):
    image_id, candidate = in_sight(page)
    theirs = service.store.judge(Judgement(image_id, "unsure", identity=candidate), who="ben")
    page.keyboard.press("s")
    dialog = page.locator("#conflict")
    expect(dialog).to_contain_text("ben")
    expect(dialog).to_contain_text(f"{image_id} shows {candidate}")
    page.screenshot(path=SCREENSHOTS / "conflict-1280.png")
    assert service.store.log()[-1].number == theirs.number
    dialog.get_by_role("button", name="Say mine").click()
    settled(page)
    assert service.store.labels([image_id])[image_id].identity == candidate


def written(page: Page, begin: str = "Written as") -> None:
    """Wait until the page shows what was done, loaded anew."""
    expect(page.locator("#message")).to_contain_text(begin)
    settled(page)


def test_individuals_are_merged_split_moved_and_given_back(page, service):
    before = {image_id: label.identity for image_id, label in service.store.labels().items()}

    def now() -> dict[str, str | None]:
        return {image_id: label.identity for image_id, label in service.store.labels().items()}

    def undo() -> None:
        page.keyboard.press("u")
        written(page, "Undone")
        assert now() == before

    page.goto(service.address("/individuals"))
    settled(page)
    shot(page, "individuals")
    cards = page.locator("#individuals > li")
    names = [cards.nth(place).get_attribute("data-name") for place in range(2)]
    for key in ("ArrowRight", "Space", "ArrowRight", "Space", "g"):
        page.keyboard.press(key)
    written(page)
    merged = {name: set(ids_of(now(), name)) for name in names}
    assert sorted(map(len, merged.values())) == [0, sum(len(ids_of(before, name)) for name in names)]
    undo()
    cards.nth(0).drag_to(cards.nth(1))
    written(page)
    assert not ids_of(now(), names[0])
    undo()
    page.goto(service.address(f"/individual?name={quote(LONG)}"))
    shot(page, "individual")
    chosen = page.locator("#photos > li").nth(0).get_attribute("data-image-id")
    for key in ("ArrowRight", "Space", "x"):
        page.keyboard.press(key)
    page.keyboard.type("Split & off/1")
    page.keyboard.press("Enter")
    written(page)
    assert ids_of(now(), "Split & off/1") == [chosen]
    undo()
    page.locator("#photos > li").nth(1).click()
    page.keyboard.press("v")
    page.keyboard.type(names[0] if names[0] != LONG else names[1])
    page.keyboard.press("Enter")
    written(page)
    assert len(ids_of(now(), LONG)) == len(ids_of(before, LONG)) - 1
    undo()
    page.keyboard.press("r")
    page.keyboard.type("Renamed")
    page.keyboard.press("Enter")
    written(page)
    assert ids_of(now(), "Renamed") == ids_of(before, LONG)
    undo()


def ids_of(names: dict[str, str | None], wanted: str) -> list[str]:
    """The photos that bear a name."""
    return sorted(image_id for image_id, name in names.items() if name == wanted)


def test_contradictions_are_shown_with_how_they_came(page, service):
    page.goto(service.address("/contradictions"))
    n_before = len(service.store.contradictions())
    expect(page.locator("h1")).to_contain_text(f"{n_before} contradiction")
    names = {image_id: label.identity for image_id, label in service.store.labels().items() if label.identity}
    one = next(iter(names))
    other = next(image_id for image_id, name in names.items() if name != names[one])
    service.store.judge(Judgement(one, "different", identity=names[other], candidate_id=other), who="ben")
    service.store.merge([names[one]], names[other], who="carla")
    page.reload()
    n_now = len(service.store.contradictions())
    assert n_now > n_before
    expect(page.locator("h1")).to_contain_text(f"{n_now} contradiction")
    expect(page.locator(".against > li")).to_have_count(n_now)
    expect(page.locator(".against")).to_contain_text("carla")
    shot(page, "contradictions")
    page.get_by_role("link", name="anew").first.click()
    expect(page.locator("#stage")).to_have_attribute("data-image-id", service.store.contradictions()[0].first)
    settled(page)
    for _ in range(2):
        service.store.undo(who="ben")


def test_dropped_photos_are_indexed_and_the_dashboard_counts_them(page, service):
    page.goto(service.address("/dashboard"))
    n_photos = int(page.locator(".figures dd").first.inner_text())
    shot(page, "dashboard")
    page.goto(service.address("/photos"))
    photo = service.store.catalogue()
    data = base64.b64encode(photo.photo(0).read_bytes()[:-2] + b"\xff\xd9\x00").decode()
    dropped = page.evaluate_handle(DROPPED, data)
    page.locator("#drop").dispatch_event("drop", {"dataTransfer": dropped})
    expect(page.locator("#jobs")).to_contain_text("done, searchable", timeout=20_000)
    expect(page.locator("#jobs")).to_contain_text("broken")
    shot(page, "photos")
    page.reload()
    expect(page.locator("#jobs")).to_contain_text("broken")
    page.goto(service.address("/dashboard"))
    assert int(page.locator(".figures dd").first.inner_text()) > n_photos


def luminance(colour: str) -> float:
    """Of WCAG 2.2, from #rrggbb."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("on", "of", "least"),
    [(on, of, 4.5) for of in ("ink", "muted", "link") for on in ("paper", "ground", "chosen")]
    + [("ink", "paper", 4.5), ("dark", "paper", 4.5), ("wrong-tint", "wrong", 4.5)]
    + [("paper", "edge", 3.0), ("ground", "edge", 3.0), ("ground", "link", 3.0)],
)
def test_text_and_edges_stand_out(on, of, least):
    css = files("resight.serve").joinpath("static", "review.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", css))
    high, low = sorted((luminance(colours[on]), luminance(colours[of])), reverse=True)
    assert (high + 0.05) / (low + 0.05) >= least
