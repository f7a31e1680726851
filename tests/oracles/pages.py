"""How a page is read back, and what holds for every page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

NASTY = (
    "<script>alert('x')</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "חיפה \u202e gnp.exe",
    "🐋 <b>Ω</b> & co",
    "long-" * 60,
)
VOID = {"meta", "link", "img", "input", "br", "hr"}


class Page(HTMLParser):
    """The elements of a page with their attributes, and its visible text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text.replace("<wbr>", ""))  # where a word may break; no word of its own
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str, css_class: str = "") -> list[dict[str, str]]:
        wanted = [a for t, a in self.elements if t == tag]
        return [a for a in wanted if not css_class or css_class in a.get("class", "").split()]


def require_self_contained(text: str) -> None:
    """The page asks for nothing from outside, runs nothing, and closes what it opens."""
    page = Page(text)
    assert page.open == []
    assert not re.search(r"(?:https?:)?//\w", re.sub(r"data:image/jpeg;base64,[\w+/=]+", "", text))
    assert "@import" not in text
    for tag, attributes in page.elements:
        assert tag not in {"script", "iframe", "object", "embed", "form", "base"}
        assert attributes.get("src", "data:").startswith("data:")
        for name in ("href", "xlink:href"):
            inside = ("#", "data:image/jpeg;base64,") if tag == "image" else ("#", "data:,")
            assert attributes.get(name, "#").startswith(inside)
        assert not any(name.startswith("on") for name in attributes)
    for address in re.findall(r"url\(([^)]*)\)", text):
        assert address.startswith("#")
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "script" not in policy


def require_sound_links(text: str) -> None:
    """Ids are unique, and every inner link has an end."""
    page = Page(text)
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    wanted = {a["href"][1:] for _, a in page.elements if a.get("href", "").startswith("#")}
    wanted |= {a["xlink:href"][1:] for _, a in page.elements if "xlink:href" in a}
    wanted |= {name for _, a in page.elements for name in a.get("aria-labelledby", "").split()}
    wanted |= set(re.findall(r"url\(#([^)]*)\)", text))
    assert wanted <= set(ids)
