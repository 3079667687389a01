"""Read the messages of Ollama's chats."""

from __future__ import annotations

from typing import Any

from ...contract.errors import InvalidParameter
from ..chat.contents import IMAGE_PART, Content, content_of, read_role, text_part
from ..chat.history import CallHistory, arguments_text
from ..chat.images import check_count, read_image
from ..fields import optional_string, required_string, wrong_value

_ROLES = ("system", "user", "assistant", "tool")


def read_messages(messages: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Check the messages of a chat, and return them as in `ChatRequest`, and the images.

    Raises
    ------
    InvalidParameter
        If a message or an image is malformed, or there are too many images.
    """
    check_count(sum(map(_count_images, messages)), "messages")
    images: list[bytes] = []
    checked = []
    history = CallHistory()
    for i, message in enumerate(messages):
        at = f"messages[{i}]"
        role = read_role(message, _ROLES, at, any_case=True)
        own = read_images(message.get("images"), f"{at}.images")
        images += own
        content = content_with(own, _text(message, at))
        checked.append({"role": role, "content": content, **_more(message, role, history, at)})
    return checked, images


def read_images(values: Any, at: str) -> list[bytes]:
    """Return the files in a list of images; null is an empty list.

    Raises
    ------
    InvalidParameter
        If it is something else, or one is no image.
    """
    if values is None:
        return []
    if not isinstance(values, list):
        raise wrong_value(at, "a list of images in base64", values)
    return [read_image(value, f"{at}[{i}]") for i, value in enumerate(values)]


def content_with(images: list[bytes], text: str) -> Content:
    """Return the content of a message that has its images before the text."""
    return content_of([IMAGE_PART] * len(images) + ([text_part(text)] if text else []))


def _count_images(message: dict[str, Any]) -> int:
    images = message.get("images")
    return len(images) if isinstance(images, list) else 0


def _text(message: dict[str, Any], at: str) -> str:
    content = message.get("content")
    if content is not None and not isinstance(content, str):
        allowed = f"a string, with images in {at}.images"
        raise wrong_value(f"{at}.content", allowed, content)
    return content or ""


def _more(message: dict[str, Any], role: str, history: CallHistory, at: str) -> dict[str, Any]:
    """Return the fields of a message beside its role and content."""
    calls = message.get("tool_calls") or []
    if role == "tool":
        return _result(message, history, at)
    if role != "assistant":
        if calls:
            raise InvalidParameter(
                f"{at} has calls of tools, but only messages of the assistant can have them.",
                param=f"{at}.tool_calls",
            )
        return {}
    more: dict[str, Any] = {}
    if not isinstance(calls, list):
        raise wrong_value(f"{at}.tool_calls", "a list", calls)
    if calls:
        more["tool_calls"] = [
            _call(call, history, f"{at}.tool_calls[{i}]") for i, call in enumerate(calls)
        ]
    if thoughts := optional_string(message, "thinking", at):
        more["reasoning_content"] = thoughts
    return more


def _call(call: Any, history: CallHistory, at: str) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        raise wrong_value(at, "{'function': {'name': ..., 'arguments': {...}}}", call)
    at_function = f"{at}.function"
    name = required_string(function, "name", at_function)
    arguments = arguments_text(function.get("arguments"), f"{at_function}.arguments")
    return history.call(name, arguments, optional_string(call, "id", at))


def _result(message: dict[str, Any], history: CallHistory, at: str) -> dict[str, Any]:
    """Return which call the message of a tool answers. ``name`` is the older ``tool_name``."""
    name = optional_string(message, "tool_name", at) or optional_string(message, "name", at)
    return dict(history.result(optional_string(message, "tool_call_id", at), name))
