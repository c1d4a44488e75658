"""Where a deal or a customer came from, in the words of `taxonomy.CHANNELS`, whatever the company calls its channels.

A company may name its channels as it likes; what is organic and what is paid is decided by this
table alone, so that a share means the same everywhere. What the table does not have is NULL: unknown,
shown, never guessed (T-64). A change of the table is a change of numbers (T-65).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.taxonomy import CHANNELS, shipped_words
from cadran.deferred import ibis

if TYPE_CHECKING:
    from cadran.canonical.schema import Expr

#: Letters with accents, ``_`` and ``-``, and what they are compared as; the same on every engine.
ACCENTED, PLAIN = "àâäéèêëîïôöùûüçÀÂÉÈÊÎÔÙÛÇ’_-", "aaaeeeeiioouuucaaeeeiouuc'  "


def origin(channel: Expr, source: Expr) -> Expr:
    """The canonical channel that a channel, else a source, stands for; NULL when neither is known."""
    return _named(channel).coalesce(_named(source))


def _named(label: Expr) -> Expr:
    word, known = plain(label), shipped_words()
    return ibis.cases(
        *((word.isin((channel.replace("_", " "), *known.labels[channel])), channel) for channel in CHANNELS),
        (word.isin(known.paid_labels), "paid"),
        else_=ibis.null("string"),
    )


def plain(label: Expr) -> Expr:
    """The label as it is compared: lower case, without accents, with spaces for ``_`` and ``-``."""
    return label.translate(ACCENTED, PLAIN).lower().strip()
