"""The messages of a chat: each content one string, or with images its parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from ...contract.errors import InvalidParameter, UnsupportedRequestFields
from .image_parts import MAX_IMAGES, read_base64, read_image_url

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_TOOL_ROLES = ("tool", "function")
_TEXT_PARTS = {"text": "text", "refusal": "refusal"}
_KNOWN_PARTS = (*_TEXT_PARTS, "image_url")

#: The text of a message, or with images its parts.
Content: TypeAlias = "str | list[dict[str, str]]"

IMAGE = {"type": "image"}


def read_messages(
    messages: list[dict[str, Any]], beside: Sequence[str] = ()
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Check `messages`; the role ``developer`` becomes ``system``.

    Parameters
    ----------
    beside : images in base64 that belong to the last message of the user.

    Returns
    -------
    messages
        As in `types.ChatRequest`, with ``name`` where it was given.
    images
        The files, in the order of their parts.

    Raises
    ------
    InvalidParameter, UnsupportedRequestFields
    """
    images: list[bytes] = []
    read = []
    last = _last_of_user(messages) if beside else None
    for i, message in enumerate(messages):
        at = f"messages[{i}]"
        encoded = _encoded_images(message, at)
        if i == last:
            encoded += [(data, f"images[{j}]") for j, data in enumerate(beside)]
        found = [read_base64(data, where) for data, where in encoded]
        content, inside = _content(message.get("content"), f"{at}.content", len(found))
        images += found + inside
        if len(images) > MAX_IMAGES:
            raise InvalidParameter(f"More than {MAX_IMAGES} images in one request.", param=at)
        read.append({"role": _role(message, at), "content": content, **_name(message, at)})
    return read, images


def _last_of_user(messages: list[dict[str, Any]]) -> int:
    for i in reversed(range(len(messages))):
        if messages[i].get("role") == "user":
            return i
    raise InvalidParameter("images need a message of the user to belong to.", param="images")


def _encoded_images(message: dict[str, Any], at: str) -> list[tuple[Any, str]]:
    """The ``images`` of a message, as Ollama has them, and where they stand."""
    images = message.get("images")
    if images is None:
        return []
    if not isinstance(images, list):
        raise InvalidParameter(f"{at}.images must be a list.", param=f"{at}.images")
    return [(data, f"{at}.images[{j}]") for j, data in enumerate(images)]


def _role(message: dict[str, Any], at: str) -> str:
    role = message.get("role")
    if role in _TOOL_ROLES or message.get("tool_calls") or message.get("function_call"):
        raise UnsupportedRequestFields(
            "Tools are not supported yet: the history may not hold tool calls or their results.",
            param=f"{at}.role" if role in _TOOL_ROLES else f"{at}.tool_calls",
        )
    if not isinstance(role, str) or role not in _ROLES:
        raise InvalidParameter(
            f"The role of {at} is {role!r}; use one of: {', '.join(_ROLES)}.", param=f"{at}.role"
        )
    return _ROLES[role]


def _name(message: dict[str, Any], at: str) -> dict[str, str]:
    name = message.get("name")
    if name is None:
        return {}
    if not isinstance(name, str):
        raise InvalidParameter(f"The name in {at} must be a string.", param=f"{at}.name")
    return {"name": name}


def _content(content: Any, at: str, images: int) -> tuple[Content, list[bytes]]:
    """The content of a message and the images in it; `images` more come before it."""
    parts, inside = _parts(content, at)
    if not images and not inside:
        return "\n".join(part["text"] for part in parts), []
    return [IMAGE] * images + parts, inside


def _parts(content: Any, at: str) -> tuple[list[dict[str, str]], list[bytes]]:
    if content is None:
        return [], []
    if isinstance(content, str):
        return [{"type": "text", "text": content}], []
    if not isinstance(content, list):
        raise InvalidParameter(f"{at} must be a string, a list of parts, or null.", param=at)
    parts = []
    images = []
    for i, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "image_url":
            images.append(read_image_url(part.get("image_url"), f"{at}[{i}]"))
            parts.append(IMAGE)
        else:
            parts.append({"type": "text", "text": _text_of(part, kind, f"{at}[{i}]")})
    return parts, images


def _text_of(part: Any, kind: Any, at: str) -> str:
    if not isinstance(kind, str) or kind not in _TEXT_PARTS:
        raise InvalidParameter(
            f"The type of {at} is {kind!r}; use one of: {', '.join(_KNOWN_PARTS)}.",
            param=f"{at}.type",
        )
    text = part.get(_TEXT_PARTS[kind])
    if not isinstance(text, str):
        raise InvalidParameter(f"{at} has no string {_TEXT_PARTS[kind]!r}.", param=at)
    return text
