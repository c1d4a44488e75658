"""YAML files: the same values and places whichever parser reads them, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

import cadran
from cadran import record
from cadran.errors import ConfigError
from cadran.record import Record, load_yaml

EVERYTHING = """\
flow: {day: 2026-01-31, url: "http://x.fr/a", texts: [on, no, "é 😀"], n: 1_000}
anchor: &one {p: 1}
merged: {<<: *one, q: 2.50}
block: |
  two
  lines
folded: >-
  one
  line
flag: true
nothing: ~
"""


def seen(value):
    """A value with every place in it."""
    if isinstance(value, Record):
        places = {key: str(place) for key, place in value.places.items()}
        return str(value.place), places, {key: seen(item) for key, item in value.items()}
    return [seen(item) for item in value] if isinstance(value, list) else (type(value), value)


def read(folder, text):
    (folder / "x.yml").write_text(text, encoding="utf-8")
    return load_yaml(folder / "x.yml", shown_as="x.yml")


def test_both_parsers_give_the_same_values_and_places(tmp_path, monkeypatch):
    files = sorted(Path(cadran.__file__).parent.glob("catalogue/kpis/*.yml"))[:3]
    (tmp_path / "all.yml").write_text(EVERYTHING, encoding="utf-8")
    fast = [seen(load_yaml(path)) for path in (tmp_path / "all.yml", *files)]
    monkeypatch.setattr(record, "_FastLoader", record._Loader)
    assert [seen(load_yaml(path)) for path in (tmp_path / "all.yml", *files)] == fast
    assert read(tmp_path, EVERYTHING)["flow"]["texts"][:2] == ["on", "no"]


@pytest.mark.parametrize(
    ("text", "where", "told"),
    [
        ("a: 1\nb: *nope\n", "x.yml:2", "found undefined alias 'nope'"),
        ("a: [1, 2", "x.yml:1", "expected ',' or ']', but got '<stream end>'"),
        ("a: 1\nb: \x01\n", "x.yml:2", "special characters are not allowed"),
        ("a: 1\nb: 2\na: 3\n", "x.yml:3", "The key a is written twice."),
        ("- a\n", "x.yml:1", "must hold a mapping"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, text, where, told):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert caught.value.where == where
    assert told in caught.value.message.format(**caught.value.params)
