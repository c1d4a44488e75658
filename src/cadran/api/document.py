"""What every answer of the API is: a document that nothing changes once it is made."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """Base of every model of an answer."""

    model_config = ConfigDict(frozen=True)
