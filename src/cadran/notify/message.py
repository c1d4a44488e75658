"""What an alert says: what, how much against usual, since when, at stake, likely cause, next step, owner, slice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cadran.i18n import segment_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cadran.charts.words import Words

#: How an item starts, by what happened; sign, then words.
WHAT = {
    "raised": "New alert",
    "escalated": "Worse",
    "eased": "Better, not over",
    "recovered": "Over",
    "reminded": "Still there",
    "returned": "Back on the date that was set",
    "tested": "Test",
}
MARKS = {"alert": "🔴", "warn": "🟠"}
OVER = "🟢"
AGAINST = {
    "threshold": "{value}, threshold {usual}",
    "target": "{value}, target {usual}",
    "usual": "{value}, usually {usual}",
    "anomaly": "{value}, expected {usual} ({low}–{high})",
}


@dataclass(frozen=True)
class Item:
    """One alert in a message.

    Attributes:
        title: What happened, to which KPI, in which slice.
        lines: Label and text of each thing that it says.
        link: Address of the cockpit that shows it; empty for none.
        number: Number of the alert.
    """

    title: str
    lines: tuple[tuple[str, str], ...]
    link: str
    number: int


@dataclass(frozen=True)
class Message:
    """What is sent.

    Attributes:
        title: Subject.
        items: What it tells.
        link: Label and address of the list of alerts; empty address for none.
        footer: Which data it rests on.
        key: What makes it the same message when it is sent again.
        open_label: What the button of an item says.
        stop: Where its reader may ask to get no more of them; empty for nowhere.
        image: PNG of the chart; empty for none.
        colon: What stands between a label and its text.
        files: Name and content of files that go with it by e-mail.
    """

    title: str
    items: tuple[Item, ...]
    link: tuple[str, str]
    footer: str
    key: str
    open_label: str
    stop: str = ""
    image: bytes = b""
    colon: str = ": "
    files: tuple[tuple[str, bytes], ...] = ()

    @property
    def text(self) -> str:
        """The whole message as plain text."""
        parts = [self.title, ""]
        for item in self.items:
            parts += [item.title, *(f"{label}{self.colon}{text}" for label, text in item.lines), item.link, ""]
        return "\n".join([*parts, self.footer, self.link[1]]).strip() + "\n"


def written(
    items: Sequence[Mapping[str, Any]], words: Words, *, key: str, cockpit: str = "", image: bytes = b""
) -> Message:
    """The message that tells some alerts.

    Args:
        items: What happened: ``what``, ``alert`` and ``document`` of each, as they were kept.
        words: Language, currency, calendar and zone of the reader.
        key: What makes it the same message when it is sent again.
        cockpit: Address of the cockpit; empty for none.
        image: PNG of the first one's chart.
    """
    told = tuple(_item(each, words, cockpit) for each in items)
    title = told[0].title if len(told) == 1 else words.say("{n} alerts: {first}", n=len(told), first=told[0].title)
    as_of = items[0]["document"]["as_of"]
    return Message(
        title=title,
        items=told,
        link=(words.say("All alerts"), f"{cockpit}/alerts" if cockpit else ""),
        footer=words.say("Cadran, data known up to {day}.", day=words.day(date.fromisoformat(as_of[:10]))),
        key=key,
        open_label=words.say("Open in the cockpit"),
        stop=f"{cockpit}/alerts?routes" if cockpit else "",
        image=image,
        colon=words.say("{label}: ", label=""),
    )


def report_message(
    teams: str, names: Sequence[str], files: Sequence[tuple[str, bytes]], words: Words, *, key: str, cockpit: str = ""
) -> Message:
    """The message that a report goes with.

    Args:
        teams: Whose boards it shows.
        names: Names of its files.
        files: Name and content of each.
        words: Language of the reader.
        key: What makes it the same message when it is sent again.
        cockpit: Address of the cockpit; empty for none.
    """
    return Message(
        title=words.say("Report: {teams}", teams=teams),
        items=(),
        link=(words.say("Open in the cockpit"), cockpit),
        footer=words.say(
            "Enclosed: {files}. Each says its slice, its day and its definitions.", files=", ".join(names)
        ),
        key=key,
        open_label=words.say("Open in the cockpit"),
        stop=f"{cockpit}/alerts?routes" if cockpit else "",
        files=tuple(files),
    )


def _item(each: Mapping[str, Any], words: Words, cockpit: str) -> Item:
    kept, what = each["document"], each["what"]
    signal = kept["signal"]
    mark = OVER if what == "recovered" else MARKS[signal["level"]]
    slice_ = _slice(signal["segment"], kept["labels"], words)
    name = kept["names"].get(words.language, signal["kpi"])
    if signal["kind"] == "missing":
        name = words.say("No data in {entity}", entity=signal["entity"])
    title = f"{mark} {words.say(WHAT[what])} · {name}" + (f" · {slice_}" if signal["segment"] else "")
    link = f"{cockpit}/alerts/{each['alert']}" if cockpit else ""
    lines = _missing_lines(signal, kept, words) if signal["kind"] == "missing" else _lines(signal, kept, words, slice_)
    return Item(title, tuple((words.say(label), text) for label, text in lines if text), link, each["alert"])


def _lines(signal: Mapping[str, Any], kept: Mapping[str, Any], words: Words, slice_: str) -> list[tuple[str, str]]:
    unit = kept["unit"]
    edges = {name: words.value(signal[name], unit) for name in ("value", "usual", "low", "high")}
    money = None if signal["money"] is None else Decimal(signal["money"])
    interval = ""
    if signal["kind"] != "anomaly" and signal["low"] is not None and signal["high"] is not None:
        interval = words.interval(signal["low"], signal["high"], unit)
    return [
        ("What", words.say(AGAINST[signal["kind"]], **edges)),
        ("Change", words.delta(signal["value"] - signal["usual"], unit)),
        ("95% interval", interval),
        ("Cases", words.number(signal["n"])),
        ("Since", words.day(date.fromisoformat(signal["since"]))),
        ("At stake", words.value(money, "money") if money is not None else ""),
        ("Likely cause", _cause(signal, kept, words)),
        ("Next step", _next(kept, words)),
        ("Owner", _owner(kept)),
        ("Slice", slice_),
    ]


def _missing_lines(signal: Mapping[str, Any], kept: Mapping[str, Any], words: Words) -> list[tuple[str, str]]:
    names = ", ".join(kept["touched"].get(words.language, []))
    return [
        ("What", words.say("Nothing has come where much was to be expected: {names} are not judged.", names=names)),
        ("Since", words.day(date.fromisoformat(signal["since"]))),
        ("Next step", words.say("Check that the source was exported and read.")),
        ("Owner", _owner(kept)),
    ]


def _slice(segment: Mapping[str, str | None], labels: Mapping[str, Mapping[str, str]], words: Words) -> str:
    parts = [
        f"{labels.get(name, {}).get(words.language, name)} = {segment_name(value, words.language)}"
        for name, value in segment.items()
    ]
    return " × ".join(parts) or words.say("Whole company")


def _cause(signal: Mapping[str, Any], kept: Mapping[str, Any], words: Words) -> str:
    """The segment that is to blame where one is; else what moved with it."""
    if kept.get("blame"):
        return _slice(kept["blame"], kept["labels"], words)
    others = []
    for name, segment in signal["with_it"][:3]:
        said = kept["others"].get(name, {}).get(words.language, name)
        others.append(f"{said} ({_slice(segment, kept['labels'], words)})")
    return words.say("moved with {others}", others=", ".join(others)) if others else ""


def _next(kept: Mapping[str, Any], words: Words) -> str:
    """The action that is open on the KPI, what the playbooks have for it, or what its contract says to do."""
    action = kept.get("action")
    if action:
        due = words.day(date.fromisoformat(action["due_on"]))
        return words.say("in hand: {text} ({owner}, {due})", text=action["text"], owner=action["owner"], due=due)
    play = kept.get("play")
    if play:
        told = {name: play[name].get(words.language, "") for name in ("names", "owner")}
        return words.say("to try: {text} ({owner})", text=told["names"], owner=told["owner"])
    return str(kept["why"].get(words.language, ""))


def _owner(kept: Mapping[str, Any]) -> str:
    return " → ".join(part for part in (kept["signal"]["owner"], kept.get("assignee", "")) if part)
