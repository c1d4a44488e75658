"""Every message of the catalogue and the engine has its French sentence."""

import ast
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import cadran
from cadran.catalogue import shapes
from cadran.catalogue.driving import DRIVING

SOURCE = Path(cadran.__file__).parent
#: What `Source.refusal` adds to every message about an expression.
PLACE = " (at character {at} of: {text})"
SHAPES = (
    shapes.KPI,
    shapes.MEASURE,
    shapes.TARGET,
    shapes.BENCHMARK,
    shapes.ALERT,
    shapes.NOTE,
    shapes.DIMENSION,
    shapes.BOARD,
    DRIVING,
)


def french():
    found = {}
    for file in (SOURCE / "locale/fr").glob("*.po"):
        with file.open("rb") as stream:
            found |= {str(message.id): str(message.string) for message in read_po(stream) if message.id}
    return found


def sentences(room):
    """Texts in the code of a room that read as sentences: docstrings and pieces of f-strings left out."""
    for path in (SOURCE / room).glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        skipped = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
        skipped |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
                text = node.value
                if " " in text and text[-1] in ".?" and text != PLACE:
                    yield text


@pytest.mark.parametrize("room", ["catalogue", "engine"])
def test_every_message_is_said_in_french(room):
    known = french()
    missing = [text for text in sentences(room) if text not in known and text + PLACE not in known]
    assert missing == []


def test_messages_about_each_kind_of_entry_are_said_in_french():
    known = french()
    for shape in SHAPES:
        assert f"There is no key {{name}} in {shape.what}." in known
        assert f"The key {{name}} is missing in {shape.what}." in known
