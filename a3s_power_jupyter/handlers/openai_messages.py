"""The messages of a chat: each content joined to one string."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidParameter, UnsupportedRequestFields

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_TOOL_ROLES = ("tool", "function")
_TEXT_PARTS = {"text": "text", "refusal": "refusal"}
_IMAGE_PARTS = ("image_url",)
_KNOWN_PARTS = (*_TEXT_PARTS, *_IMAGE_PARTS)


def read_messages(messages: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
    """Check `messages`; the role ``developer`` becomes ``system``.

    Returns
    -------
    messages
        ``{"role": str, "content": str}`` each, with ``name`` where it was given.
    has_images
        Whether there are image parts, or Ollama's ``images`` in a message.

    Raises
    ------
    InvalidParameter, UnsupportedRequestFields
    """
    has_images = False
    read = []
    for i, message in enumerate(messages):
        at = f"messages[{i}]"
        content, images = _content(message.get("content"), f"{at}.content")
        has_images |= images or bool(message.get("images"))
        read.append({"role": _role(message, at), "content": content, **_name(message, at)})
    return read, has_images


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


def _content(content: Any, at: str) -> tuple[str, bool]:
    """The text of a string, of parts or of null, and whether there are images."""
    if content is None:
        return "", False
    if isinstance(content, str):
        return content, False
    if not isinstance(content, list):
        raise InvalidParameter(f"{at} must be a string, a list of parts, or null.", param=at)
    texts = []
    has_images = False
    for i, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in _IMAGE_PARTS:
            has_images = True
        else:
            texts.append(_text_of(part, kind, f"{at}[{i}]"))
    return "\n".join(texts), has_images


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
