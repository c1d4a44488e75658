"""Reads HTML strictly: what is open must be closed, names are unique, nothing is inline."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "img", "hr"}


@dataclass
class Page(HTMLParser):
    """A page, with every mistake that its markup has."""

    html: str
    mistakes: list[str] = field(default_factory=list)
    tags: list[tuple[str, dict]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def __post_init__(self):
        super().__init__()
        self.open, self.ids = [], set()
        self.feed(self.html)
        self.close()
        self.mistakes += [f"<{tag}> is not closed" for tag in self.open]
        self.mistakes += [f"no id {name}" for name in self._named() - self.ids]

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag not in VOID:
            self.open.append(tag)
        self.mistakes += [f"{name} on <{tag}>" for name in found if name == "style" or name.startswith("on")]
        if len(found) != len(attrs):
            self.mistakes.append(f"an attribute twice on <{tag}>")
        if "id" in found:
            if found["id"] in self.ids:
                self.mistakes.append(f"id {found['id']} twice")
            self.ids.add(found["id"])

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.mistakes.append(f"</{tag}> closes nothing")

    def handle_data(self, data):
        if self.open and self.open[-1] == "script" and data.strip():
            self.mistakes.append("an inline script")
        self.words.append(data)

    @property
    def text(self):
        """What a person reads, with single spaces."""
        return " ".join(" ".join(self.words).replace("\u00a0", " ").replace("\u202f", " ").split())

    def all(self, tag, **wanted):
        """The attributes of every element of that tag that has these values."""
        return [found for name, found in self.tags if name == tag and all(found.get(k) == v for k, v in wanted.items())]

    def _named(self):
        names = [
            found.get(name, "") for _, found in self.tags for name in ("aria-labelledby", "aria-describedby", "for")
        ]
        return {name for text in names for name in (text or "").split()}
