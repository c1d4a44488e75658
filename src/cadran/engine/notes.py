"""What a figure says of itself: the notes of its contract whose condition holds on its parts."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.catalogue.expression import parse
from cadran.engine.amount import Amount
from cadran.engine.arithmetic import evaluate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cadran.catalogue.definition import Kpi
    from cadran.engine.result import Number
    from cadran.i18n import Said

#: Decimals with which a part is written in a note.
SHOWN = 2


def noted(
    kpi: Kpi, amount: Amount, parts: Mapping[str, Number | None], currency: str
) -> tuple[Amount, tuple[Said, ...]]:
    """The amount of a figure, taken away by the first note that says so, and the notes that hold beside it.

    Args:
        kpi: Contract with the notes.
        amount: What was computed.
        parts: Value of each name that conditions may use; unknown values make no condition true.
        currency: Base currency, for the texts.
    """
    if not kpi.notes:
        return amount, ()
    from cadran.i18n import Said  # noqa: PLC0415 - babel is slow to import

    values = {name: None if value is None else Decimal(str(value)) for name, value in parts.items()}
    shown = {name: None if value is None else round(value, SHOWN) for name, value in values.items()}
    params = {**shown, "currency": currency}
    found = []
    for note in kpi.notes:
        tree = parse(note.when, dict.fromkeys(values, "number"), "bool", where=kpi.places.get("notes", ""))
        if evaluate(tree, values) is True:
            said = Said(note.text, params)
            if note.undefined:
                return Amount(None, amount.n, "{text}", {"text": said}), ()
            found.append(said)
    return amount, tuple(found)
