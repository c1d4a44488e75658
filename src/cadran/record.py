"""YAML files as plain values that remember where they were written, so that every message about them can say so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import yaml

from cadran.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from yaml import SafeLoader as Parser
else:
    # libyaml reads the same documents many times as fast; PyYAML may have been built without it
    Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Place:
    """Where a value was written.

    Attributes:
        file: File, as the user would name it.
        line: Line number, from 1.
    """

    file: str
    line: int

    def __str__(self) -> str:
        """``file:line``."""
        return f"{self.file}:{self.line}"


class Record(dict[str, Any]):
    """A mapping read from YAML that remembers the line of every key.

    Attributes:
        place: Where the mapping starts.
        places: Where each key was written.
    """

    def __init__(self, items: Mapping[str, Any], place: Place, places: Mapping[str, Place]) -> None:
        super().__init__(items)
        self.place = place
        self.places = dict(places)

    def where(self, key: str) -> str:
        """``file:line`` of a key, or of the mapping when it has no such key."""
        return str(self.places.get(key, self.place))


class _Loader(yaml.SafeLoader):
    """Safe YAML that keeps places and refuses a key written twice."""

    file = ""


class _FastLoader(Parser):
    """The same on libyaml's parser."""

    file = ""


def _construct_record(loader: _Loader | _FastLoader, node: yaml.MappingNode) -> Iterator[Record]:
    """A `Record` from a YAML mapping, built in two steps so that anchors may refer to it."""
    record = Record({}, Place(loader.file, node.start_mark.line + 1), {})
    yield record
    loader.flatten_mapping(node)
    for key_node, value_node in node.value:
        key = str(loader.construct_object(key_node, deep=True))
        line = key_node.start_mark.line + 1
        if key in record.places:
            raise ConfigError(
                "The key {key} is written twice.",
                hint="It is first written at line {first}: keep one of the two.",
                where=f"{loader.file}:{line}",
                key=key,
                first=record.places[key].line,
            )
        record.places[key] = Place(loader.file, line)
        record[key] = loader.construct_object(value_node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_record)
# YAML 1.1 reads `on`, `yes` and `no` as booleans, which surprises people who write a French « no »
# or a column named `on`: only true and false are booleans here.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:bool"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))
_FastLoader.yaml_constructors = _Loader.yaml_constructors
_FastLoader.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def _document(text: str, name: str) -> Any:
    """What a text holds, with its places in the file of that name."""
    try:
        return _parsed(_FastLoader, text, name)
    except yaml.YAMLError:
        # libyaml does not say as well what is wrong, nor where
        return _parsed(_Loader, text, name)


def _parsed(kind: type[_Loader | _FastLoader], text: str, name: str) -> Any:
    loader = kind(text)
    loader.file = name
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def load_yaml(path: Path, *, shown_as: str = "") -> Record:
    """The mapping that a YAML file holds; an empty file gives an empty record.

    Args:
        path: File to read.
        shown_as: Name of the file in messages; its path when empty.

    Raises:
        ConfigError: The file is missing, is not YAML, or does not hold a mapping.
    """
    name = shown_as or str(path)
    return parse_yaml(read_text(path, name), name)


def parse_yaml(text: str, name: str) -> Record:
    """The mapping that a YAML text holds; an empty text gives an empty record.

    Args:
        text: The text.
        name: Name of the file in messages.

    Raises:
        ConfigError: It is not YAML, or does not hold a mapping.
    """
    try:
        value = _document(text, name)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else text.count("\n", 0, getattr(error, "position", 0)) + 1
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "syntax"
        raise ConfigError("This is not valid YAML: {problem}.", where=f"{name}:{line}", problem=problem) from error
    if value is None:
        return Record({}, Place(name, 1), {})
    if not isinstance(value, Record):
        raise ConfigError("The file must hold a mapping of names to values.", where=f"{name}:1")
    return value


def shipped_yaml(room: str, name: str) -> Record:
    """The mapping that a YAML file of the package holds.

    Args:
        room: Folder of the package.
        name: Name of the file.

    Raises:
        ConfigError: The file is not YAML, or does not hold a mapping.
    """
    text = resources.files("cadran").joinpath(room, name).read_text(encoding="utf-8")
    return parse_yaml(text, f"cadran/{room}/{name}")


def yaml_text(value: object) -> str:
    """Plain values as YAML that people read: keys in their order, letters as they are."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110)


def read_text(path: Path, name: str) -> str:
    """The text of a file.

    Args:
        path: File to read.
        name: Name of the file in messages.

    Raises:
        ConfigError: The file is missing, cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError("The file cannot be read: {problem}.", where=name, problem=error.strerror or error) from error
    except UnicodeDecodeError as error:
        raise ConfigError("The file is not UTF-8 text.", hint="Save it as UTF-8 and try again.", where=name) from error
