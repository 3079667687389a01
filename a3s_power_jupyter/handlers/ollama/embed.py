"""Read the requests for embeddings of Ollama's API, and build the replies."""

from __future__ import annotations

from typing import Any

import msgspec

from ...contract.errors import InvalidParameter
from ...contract.parameters import MAX_INPUTS
from ...contract.types import Embedded, EmbeddingRequest, Truncate
from ..fields import read_fields, read_keep_alive
from ..texts import read_truncate
from ..vectors import numbers, read_rows
from .clock import Clock
from .content import check_content
from .fields import EmbeddingsFields, EmbedFields


class EmbedCall(msgspec.Struct, frozen=True):
    """A request for embeddings.

    Attributes
    ----------
    model : str
        The name that the client used; the reply has the same one.
    inputs : list of str
        If there are none, the model is only loaded, or unloaded if `keep_alive` is 0.
    dimensions : int or None
        None for those of the model.
    keep_alive : float or None
        Seconds, as for `parse_keep_alive`.
    """

    model: str
    inputs: list[str]
    truncate: Truncate
    dimensions: int | None
    keep_alive: float | None

    @property
    def request(self) -> EmbeddingRequest:
        return EmbeddingRequest([*self.inputs], truncate=self.truncate)


def read_embed(body: dict[str, Any]) -> EmbedCall:
    """Read the body of ``POST /api/embed``.

    Raises
    ------
    InvalidParameter
        If a field is missing or has an invalid value.
    InvalidKeepAlive
        If ``keep_alive`` is not a duration.
    """
    fields = read_fields(body, EmbedFields)
    check_content(body, "input", EmbedFields)
    inputs = fields.input
    if isinstance(inputs, str):
        inputs = [inputs] if inputs else []
    if len(inputs) > MAX_INPUTS:
        raise InvalidParameter(
            f"'input' has more than {MAX_INPUTS:,} texts. Send several requests.", param="input"
        )
    return EmbedCall(
        model=fields.model,
        inputs=inputs,
        truncate=read_truncate(fields.truncate),
        dimensions=fields.dimensions or None,
        keep_alive=read_keep_alive(fields.keep_alive),
    )


def read_embeddings(body: dict[str, Any]) -> EmbedCall:
    """Read the body of ``POST /api/embeddings``. Raises as `read_embed`."""
    fields = read_fields(body, EmbeddingsFields)
    check_content(body, "prompt", EmbeddingsFields)
    return EmbedCall(
        model=fields.model,
        inputs=[fields.prompt] if fields.prompt else [],
        truncate="end",
        dimensions=None,
        keep_alive=read_keep_alive(fields.keep_alive),
    )


def embed_reply(call: EmbedCall, embedded: Embedded | None, clock: Clock) -> dict[str, Any]:
    """Return the reply of ``POST /api/embed``, with an iterator for `encode_pieces`.

    Raises
    ------
    InvalidParameter
        If the request asks for more dimensions than the model has.
    """
    rows = iter(()) if embedded is None else read_rows(embedded, call.dimensions)
    return {
        "model": call.model,
        "embeddings": (numbers(row) for row in rows),
        **clock.until_now(),
        "prompt_eval_count": 0 if embedded is None else embedded.prompt_tokens,
    }


def embeddings_reply(embedded: Embedded | None) -> dict[str, Any]:
    """Return the reply of ``POST /api/embeddings``: one vector, which is empty without a text."""
    rows = [] if embedded is None else [numbers(row) for row in read_rows(embedded)]
    return {"embedding": rows[0] if rows else []}
