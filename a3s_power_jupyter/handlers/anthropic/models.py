"""Models in the form of Anthropic's API, which has the same paths as OpenAI's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import UNSET

from ...contract.errors import InvalidParameter
from ...contract.text import quoted
from ...contract.types import Model

#: Most models of a page.
MAX_LIMIT = 1000


def model_info(model: Model) -> dict[str, Any]:
    """Return a model as Anthropic's API does."""
    if model.num_ctx is not UNSET:
        context: int | None = model.num_ctx
    elif model.format == "remote":
        context = None
    else:
        trained = 0 if model.context_length is UNSET else model.context_length
        context = model.default_parameters.context_length(trained)
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.id,
        "created_at": datetime.fromtimestamp(model.created, UTC).isoformat(),
        "lifecycle": "active",
        "max_input_tokens": context,
        "max_tokens": context,
    }


def model_page(
    models: Sequence[Model], *, limit: str = "", after_id: str = "", before_id: str = ""
) -> dict[str, Any]:
    """Return a page of a list of models. Without a limit, it has all of them.

    Parameters
    ----------
    limit, after_id, before_id : str
        Arguments of the URL.

    Raises
    ------
    InvalidParameter
        If one of them is not valid.
    """
    start = _position(models, after_id, "after_id") + 1 if after_id else 0
    end = _position(models, before_id, "before_id") if before_id else len(models)
    most = _limit(limit) if limit else len(models)
    page = models[start:end]
    page = page[-most:] if before_id else page[:most]
    return {
        "data": [model_info(model) for model in page],
        "has_more": len(page) < end - start,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }


def _position(models: Sequence[Model], name: str, param: str) -> int:
    for i, model in enumerate(models):
        if model.id == name:
            return i
    raise InvalidParameter(f"There is no model {quoted(name)}. Omit {param!r}.", param=param)


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 5 and 1 <= int(text) <= MAX_LIMIT):
        raise InvalidParameter(
            f"limit={quoted(text)} must be a number from 1 to {MAX_LIMIT:,}.", param="limit"
        )
    return int(text)
