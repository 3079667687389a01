"""The content of a message for the engine: a string, or parts if it has images."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from ...contract.errors import InvalidParameter, UnsupportedRequestFields
from ...contract.text import MAX_QUOTED, quoted

Part: TypeAlias = "dict[str, str]"
Content: TypeAlias = "str | list[Part]"

#: Most messages of a chat, and parts of a message.
MAX_MESSAGES = 2**14
MAX_PARTS = 2**14

IMAGE_PART: Part = {"type": "image"}


def text_part(text: str) -> Part:
    """Return a part of a content that is text."""
    return {"type": "text", "text": text}


def content_of(parts: list[Part]) -> Content:
    """Return the content of a message as in `ChatRequest.messages`.

    Texts without images between them are joined by line breaks.
    """
    if any(part["type"] == "image" for part in parts):
        return parts
    return "\n".join(part["text"] for part in parts)


def read_role(
    message: dict[str, Any], roles: Collection[str], at: str, *, any_case: bool = False
) -> str:
    """Return the role of a message, which must be one of `roles`, or raise `InvalidParameter`."""
    given = message.get("role")
    role = given[:MAX_QUOTED].lower() if any_case and isinstance(given, str) else given
    if not isinstance(role, str) or role not in roles:
        fault = f"{at} has no role" if given is None else f"Unknown role {quoted(given)} in {at}"
        raise InvalidParameter(f"{fault}. Use one of: {', '.join(roles)}.", param=f"{at}.role")
    return role


def refuse_fields(message: dict[str, Any], refused: Mapping[str, str], at: str) -> None:
    """Refuse a message that has content in a field of another dialect, where it would be lost.

    Parameters
    ----------
    refused : dict
        What to do instead, by the name of the field.

    Raises
    ------
    UnsupportedRequestFields
        If one of the fields is neither absent, null nor empty.
    """
    for name, advice in refused.items():
        if message.get(name):
            raise UnsupportedRequestFields(
                f"{at}.{name} is a field of another API. {advice}", param=f"{at}.{name}"
            )
