"""A person reviews by keys alone, in a real browser, while the service is killed: nothing is lost."""

from __future__ import annotations

import base64
import re
import signal
from pathlib import Path
from urllib.parse import quote

import pytest

from resight.core import Judgement

pytest.importorskip("playwright", reason="expected playwright for the tests of the pages: run  make .venv-dev/.ready")
from playwright.sync_api import Error, Page, expect

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
CANDIDATE = """() => new URL(document.querySelector("#candidate-image").src).searchParams.get("image_id")"""
ROUND = ("s", "n", "ds", "t", "2s", "p", "3t", "n", "kn", "s")
"""What is pressed on a photo: what begins with D or K goes on with the same or the next one."""


def settled(page: Page) -> None:
    """Wait until what was pressed is done, and the page that it leads to is there."""
    for _ in range(3):
        try:
            page.evaluate(SETTLED)
        except Error as error:
            if "context was destroyed" not in str(error):
                raise
        else:
            return


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
    for width, height in ((1280, 800), (1024, 768), (820, 1180)) if name == "review" else ((1280, 800), (820, 1180)):
        page.set_viewport_size({"width": width, "height": height})
        for image in page.locator("img:visible").all():
            expect(image).to_have_js_property("complete", value=True)
        page.screenshot(path=SCREENSHOTS / f"{name}-{width}.png")
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{name} is {overflow} px too wide at {width} px"
    page.set_viewport_size({"width": 1280, "height": 800})
    page.emulate_media(color_scheme="dark")
    page.screenshot(path=SCREENSHOTS / f"{name}-dark.png")
    page.emulate_media(color_scheme="light")


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
    expect(dialog.locator("#yours")).to_have_text(f"{image_id} shows {candidate}")
    page.screenshot(path=SCREENSHOTS / "conflict-1280.png")
    assert service.store.log()[-1].number == theirs.number
    newer = service.store.judge(Judgement(image_id, "poor"), who="ben")  # while the dialog is open
    dialog.get_by_role("button", name="Say mine").click()
    expect(dialog.locator("#theirs")).to_contain_text("poor")  # mine is said on what was shown, and on nothing else
    assert service.store.log()[-1].number == newer.number
    dialog.get_by_role("button", name="Say mine").click()
    settled(page)
    assert service.store.labels([image_id])[image_id].identity == candidate


def test_a_candidate_that_lost_its_name_leaves_one_way(page, service):
    image_id, candidate = in_sight(page)
    shown = page.evaluate(CANDIDATE)
    service.store.assign([shown], None, who="ben")
    page.keyboard.press("s")
    dialog = page.locator("#conflict")
    expect(dialog).to_contain_text(f"does not show {candidate} any more")
    expect(dialog.get_by_role("button", name="Say mine")).to_be_hidden()
    dialog.get_by_role("button", name="Leave it").click()
    settled(page)
    assert service.store.labels([image_id])[image_id].identity != candidate
    service.store.undo(who="ben")


def test_it_says_of_how_many_photos_nothing_is_known(page, service):
    judged = {entry.detail["image_id"] for entry in service.store.judgements()}
    free = [one for one, label in service.store.labels().items() if label.identity is None and one not in judged]
    image_id = free[0]
    service.store.assign([image_id], "Alone", who="ben")  # the only photo of an individual, and no reviewer's word
    page.reload()
    settled(page)
    expect(page.locator("#stopping")).to_contain_text("of 1 photo it is unknown")
    service.store.undo(who="ben")
    page.reload()
    settled(page)
    expect(page.locator("#stopping")).not_to_contain_text("unknown")


def test_a_photo_whose_file_is_gone_has_a_picture_that_says_so(page, service):
    image_id, _ = in_sight(page)
    photos = service.store.catalogue()
    path = photos.photo(photos.image_ids.tolist().index(image_id))
    path.rename(path.with_suffix(".away"))
    try:
        page.goto(service.address(f"/?photo={quote(image_id)}"))
        settled(page)
        expect(page.locator("#query-image")).to_have_attribute("src", "/static/no-photo.svg")
        expect(page.locator("#query-image")).to_have_attribute("alt", re.compile("cannot be read"))
        page.wait_for_timeout(100)
        page.screenshot(path=SCREENSHOTS / "review-no-photo.png")
    finally:
        path.with_suffix(".away").rename(path)
    page.goto(service.address("/"))
    settled(page)
    expect(page.locator("#query-image")).to_have_js_property("complete", value=True)
    assert "no-photo" not in (page.locator("#query-image").get_attribute("src") or "")


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


def test_what_another_merged_meanwhile_is_shown_before_mine_is_written(page, service):
    page.goto(service.address("/individuals"))
    settled(page)
    cards = page.locator("#individuals > li")
    one, third = (cards.nth(place).get_attribute("data-name") for place in (0, 2))
    moved = ids_of({i: label.identity for i, label in service.store.labels().items()}, one)[:1]
    for place in (0, 1):
        cards.nth(place).locator("input").check()
    service.store.assign(moved, third, who="ben")
    page.keyboard.press("g")
    dialog = page.locator("#conflict")
    expect(dialog.locator("#theirs")).to_contain_text("ben")
    expect(dialog.locator("#now")).to_contain_text(third)
    page.screenshot(path=SCREENSHOTS / "conflict-merge.png")
    n_before = service.store.last_entry()
    dialog.get_by_role("button", name="Leave it").click()
    written(page, "Left as it is now")
    assert service.store.last_entry() == n_before
    for place in (0, 1):
        cards.nth(place).locator("input").check()
    service.store.merge([one], third, who="ben")  # nobody bears the name by now
    page.keyboard.press("g")
    expect(dialog).to_contain_text("cannot be merged")
    expect(dialog.get_by_role("button", name="Say mine")).to_be_hidden()
    with page.expect_navigation():  # what it says now it said before
        dialog.get_by_role("button", name="Leave it").click()
    written(page, "Left as it is now")
    for _ in range(2):
        service.store.undo(who="ben")


def test_a_split_of_what_another_changed_is_written_on_what_was_shown(page, service):
    page.goto(service.address(f"/individual?name={quote(LONG)}"))
    chosen = page.locator("#photos > li").nth(0).get_attribute("data-image-id")
    borne = sorted({label.identity for label in service.store.labels().values()} - {None, LONG})
    other, wished = borne[0], borne[1]
    page.locator("#photos > li").nth(0).locator("input").check()
    page.keyboard.press("v")
    page.keyboard.type("Nobody at all")
    page.keyboard.press("Enter")
    written(page, "There is no Nobody at all")
    page.locator("[name=to]").fill("")
    page.locator("#photos > li").nth(0).locator("input").focus()
    service.store.assign([chosen], other, who="ben")
    page.keyboard.press("v")
    page.keyboard.type(wished)
    service_before = service.store.last_entry()
    page.keyboard.press("Enter")
    dialog = page.locator("#conflict")
    expect(dialog.locator("#now")).to_contain_text(other)
    expect(dialog.locator("#yours")).to_contain_text("1 photo shows")
    assert service.store.last_entry() == service_before
    dialog.get_by_role("button", name="Leave it").click()
    written(page, "Left as it is now")
    service.store.undo(who="ben")


def test_merging_by_touch_and_names_of_all_kinds(page, service):
    names = sorted({label.identity for label in service.store.labels().values() if label.identity} - {LONG})[:2]
    odd = ["שרה 🐘 " + "a very long name " * 6, "ليلى 🦒"]
    for name, to in zip(names, odd, strict=True):
        service.store.rename(name, to.strip(), who="ben")
    cookies = page.context.cookies()
    context = page.context.browser.new_context(viewport={"width": 820, "height": 1180}, has_touch=True, is_mobile=True)
    context.add_cookies(cookies)
    tablet = context.new_page()
    tablet.goto(service.address("/individuals"))
    tablet.wait_for_load_state("networkidle")
    tablet.screenshot(path=SCREENSHOTS / "individuals-touch.png")
    before = {i: label.identity for i, label in service.store.labels().items()}
    for name in odd:
        tablet.locator(f'#individuals > li[data-name="{name.strip()}"] .pick').tap()
    expect(tablet.locator("#merge-says")).to_contain_text("2 individuals become")
    assert tablet.locator("#merge").bounding_box()["height"] >= 44
    tablet.screenshot(path=SCREENSHOTS / "individuals-touch-chosen.png")
    tablet.locator("#merge").tap()
    expect(tablet.locator("#message")).to_contain_text("Written as")
    after = {i: label.identity for i, label in service.store.labels().items()}
    assert sorted(len(ids_of(after, name.strip())) for name in odd) == [
        0,
        sum(len(ids_of(before, n.strip())) for n in odd),
    ]
    tablet.goto(service.address("/"))
    tablet.wait_for_load_state("networkidle")
    tablet.screenshot(path=SCREENSHOTS / "review-touch.png")
    context.close()
    service.store.undo(who="anna")
    for _ in odd:
        service.store.undo(who="ben")


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
