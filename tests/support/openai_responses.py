"""Compare events and replies of ``/v1/responses`` with the types of the ``openai`` package."""

from __future__ import annotations

from typing import Any

import msgspec
from openai.types.responses import Response, ResponseItemList, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

#: The types of the package accept unknown fields, and wrong ones where they construct a value.
_EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def parsed_event(event: dict[str, Any]) -> Any:
    """Return an event as its type, or fail if a field is missing, wrong or unknown."""
    parsed = _EVENTS.validate_python(as_json(event))
    assert parsed.type == event["type"]
    check_whole(parsed)
    return parsed


def parsed_response(response: dict[str, Any]) -> Response:
    """Return a response as its type, or fail if a field is missing, wrong or unknown."""
    parsed = Response.model_validate(as_json(response))
    check_whole(parsed)
    return parsed


def parsed_items(page: dict[str, Any]) -> ResponseItemList:
    """Return a list of items as its type, or fail if a field is missing, wrong or unknown."""
    parsed = ResponseItemList.model_validate(as_json(page))
    check_whole(parsed)
    return parsed


def as_json(value: Any) -> Any:
    """Return `value` as a client decodes it."""
    return msgspec.json.decode(msgspec.json.encode(value))


def check_whole(value: Any, at: str = "") -> None:
    """Fail if a field of a model, or of one in it, has no place in its type."""
    if isinstance(value, BaseModel):
        assert not value.model_extra, f"{at} has {sorted(value.model_extra or {})}"
        for name in type(value).model_fields:
            check_whole(getattr(value, name), f"{at}.{name}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            check_whole(item, f"{at}[{i}]")
