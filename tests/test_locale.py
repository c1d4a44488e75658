"""Every sentence a person can meet exists in French, with the same fields."""

from __future__ import annotations

import ast
import string
from pathlib import Path

import pytest

import cadran
from cadran import errors
from cadran.cli.show import contract
from cadran.i18n import _catalogue
from warehouse import kpi

SOURCE = Path(cadran.__file__).parent
ERRORS = {name for name in vars(errors) if name in errors.CODES}
#: Functions of the product that take a template, and the position at which they take it.
TAKERS = {
    **dict.fromkeys(ERRORS, 0),
    "Issue": 2,
    "say": 0,
    "note": 0,
    "refuse": 0,
    "put_aside": 1,
    "put": 1,
    "_Value": 2,
}
NAMED = {"hint", "message", "reason"}


def texts(node):
    """The constant sentences that an expression can be."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return texts(node.body) + texts(node.orelse)
    return []


def templates():
    found = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                place = TAKERS.get(name)
                given = [node.args[place]] if place is not None and len(node.args) > place else []
                given += [k.value for k in node.keywords if k.arg in NAMED and (place is not None or k.arg == "hint")]
                for text in (t for part in given for t in texts(part)):
                    found.setdefault(text, f"{path.relative_to(SOURCE)}:{node.lineno}")
            elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "MESSAGES":
                for value in getattr(node.value, "values", []):
                    for text in texts(value):
                        found.setdefault(text, f"{path.relative_to(SOURCE)}:{node.lineno}")
    return {text: where for text, where in found.items() if " " in text or text[:1].isupper()}


def test_every_sentence_is_translated():
    known = _catalogue("fr")
    missing = {where: text for text, where in templates().items() if text not in known}
    assert missing == {}


@pytest.mark.parametrize("text", sorted(_catalogue("fr")))
def test_a_translation_has_the_fields_of_its_template(text):
    fields = lambda template: {name for _, name, _, _ in string.Formatter().parse(template) if name}  # noqa: E731
    assert fields(_catalogue("fr")[text]) <= fields(text)


def test_every_label_of_a_contract_is_translated():
    """Labels are made of the contract's keys, which no call names."""
    labels = {name.replace("_", " ").capitalize() for name in contract(kpi("any"), "fr")}
    assert labels - _catalogue("fr").keys() == set()
