"""Channels: sources that none of the words stands for, and a company's own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cadran.canonical.schema import schema_of
from cadran.canonical.taxonomy import FROM, own_words, unmapped
from cadran.deferred import ibis
from cadran.errors import ConfigError
from cadran.record import load_yaml, yaml_text
from cadran.store.shelf import shelf_of

if TYPE_CHECKING:
    from pathlib import Path

    from cadran.canonical.taxonomy import OwnWords
    from cadran.config import Project

#: File of the project, in which each line gives a word to a channel.
FILE = "channels.yml"


@dataclass(frozen=True)
class Unmapped:
    """A source without a channel.

    Attributes:
        entity: Table that it stands in.
        source: The source as it is written, or None.
        medium: The medium as it is written, or None.
        n: Rows that have it.
    """

    entity: str
    source: str | None
    medium: str | None
    n: int

    @property
    def word(self) -> str:
        """What `give` takes for it."""
        return " / ".join(part for part in (self.source, self.medium) if part)


def channels_of(project: Project) -> OwnWords:
    """The words that the company's own file gives to channels; none without a file.

    Raises:
        ConfigError: The file cannot be read, or names a channel that does not exist.
    """
    path = project.root / FILE
    if not path.exists():
        return ()
    written = load_yaml(path, shown_as=FILE)
    return own_words(written, written.where)


def unmapped_sources(project: Project) -> list[Unmapped]:
    """The sources of the newest snapshot that have no channel, those of most rows first.

    Raises:
        StoreError: There is no snapshot yet.
    """
    snapshot = shelf_of(project).open()
    try:
        found = [
            Unmapped(entity, row["source"], row["medium"], row["n"])
            for entity in FROM
            for row in snapshot.execute(
                snapshot.sql(unmapped(entity, ibis.table(schema_of(entity), name=entity)))
            ).to_pylist()
        ]
    finally:
        snapshot.close()
    return sorted(found, key=lambda each: (-each.n, each.entity, each.word))


def give(project: Project, word: str, channel: str) -> Path:
    """The file of the project, with one more line that gives a word to a channel.

    Raises:
        ConfigError: The channel does not exist, or the word is given already.
    """
    path = project.root / FILE
    written = load_yaml(path, shown_as=FILE) if path.exists() else {}
    if word in written:
        raise ConfigError(
            "{word} is given to {channel} already.",
            hint="Change its line in {file}.",
            where=FILE,
            word=word,
            channel=str(written[word]),
            file=FILE,
        )
    own_words({word: channel}, lambda _: "--to")
    line = yaml_text({word: channel})
    with path.open("a", encoding="utf-8") as file:
        file.write(line)
    return path
