"""Read the messages of a chat: roles, text, images, tool calls and thoughts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...contract.errors import InvalidParameter
from ...contract.text import quoted
from ..chat.contents import IMAGE_PART, MAX_PARTS, Content, Part, content_of, read_role, text_part
from ..chat.history import CallHistory
from ..chat.images import check_count, read_image, read_image_url
from ..fields import optional_string, wrong_value
from .tool_calls import read_calls, read_result

#: The roles of requests, and what engines call them.
_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
#: Names of the thoughts in an assistant's message: of DeepSeek, of vLLM and OpenRouter.
_THOUGHTS = ("reasoning_content", "reasoning")
#: Types of text parts, and the field that holds the text.
_TEXT_PARTS = {"text": "text", "refusal": "refusal"}
_PART_TYPES = (*_TEXT_PARTS, "image_url")


def read_messages(
    messages: list[dict[str, Any]], extra_images: Sequence[str] = ()
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Check the messages of a chat and separate the images from the text.

    Parameters
    ----------
    messages : list of dict
        OpenAI's messages. A message may also have ``images``, a list of base64 or data
        URIs, as in Ollama's API.
    extra_images : sequence of str
        Images, in base64 or as data URIs, that belong to the last message of the user.

    Returns
    -------
    messages : list of dict
        As in `ChatRequest`, with ``name`` where given. The role ``developer`` becomes ``system``,
        and ``function`` becomes ``tool``.
    images : list of bytes
        The image files, in the order of their parts.

    Raises
    ------
    InvalidParameter
        If a message or an image is malformed, or there are too many images.
    UnsupportedRequestFields
        If a message calls a tool that is not a function.
    """
    check_count(len(extra_images) + sum(map(_count_images, messages)), "messages")
    images: list[bytes] = []
    checked = []
    history = CallHistory()
    last = _last_of_user(messages) if extra_images else None
    for i, message in enumerate(messages):
        at = f"messages[{i}]"
        encoded = _encoded_images(message, at)
        if i == last:
            encoded += [(data, f"images[{j}]") for j, data in enumerate(extra_images)]
        before_text = [read_image(data, where) for data, where in encoded]
        content, in_parts = _content(message.get("content"), f"{at}.content", len(before_text))
        images += before_text + in_parts
        role = _ROLES[read_role(message, _ROLES, at)]
        checked.append({"role": role, "content": content, **_more(message, role, history, at)})
    return checked, images


def _count_images(message: dict[str, Any]) -> int:
    """Count the images of a message before any is decoded."""
    images, content = message.get("images"), message.get("content")
    count = len(images) if isinstance(images, list) else 0
    if isinstance(content, list):
        count += sum(isinstance(p, dict) and p.get("type") == "image_url" for p in content)
    return count


def _last_of_user(messages: list[dict[str, Any]]) -> int:
    for i in reversed(range(len(messages))):
        if messages[i].get("role") == "user":
            return i
    raise InvalidParameter("'images' requires a message of the user.", param="images")


def _encoded_images(message: dict[str, Any], at: str) -> list[tuple[Any, str]]:
    """Return the ``images`` of a message, each with its path in the request."""
    images = message.get("images")
    if images is None:
        return []
    if not isinstance(images, list):
        raise wrong_value(f"{at}.images", "a list", images)
    return [(data, f"{at}.images[{j}]") for j, data in enumerate(images)]


def _more(message: dict[str, Any], role: str, history: CallHistory, at: str) -> dict[str, Any]:
    """Return the fields of a message beside its role and content."""
    if role == "tool":
        return dict(read_result(history, message, at))
    more: dict[str, Any] = {}
    if name := optional_string(message, "name", at):
        more["name"] = name
    if role == "assistant":
        if calls := read_calls(history, message, at):
            more["tool_calls"] = calls
        thoughts = [optional_string(message, field, at) for field in _THOUGHTS]
        if any(thoughts):
            more["reasoning_content"] = thoughts[0] or thoughts[1]
    elif message.get("tool_calls") or message.get("function_call"):
        raise InvalidParameter(
            f"{at} has calls of tools, but only messages of the assistant can have them.",
            param=f"{at}.tool_calls",
        )
    return more


def _content(content: Any, at: str, images: int) -> tuple[Content, list[bytes]]:
    """Read the content of a message that has `images` more images before its text."""
    parts, in_parts = _parts(content, at)
    return content_of([IMAGE_PART] * images + parts), in_parts


def _parts(content: Any, at: str) -> tuple[list[Part], list[bytes]]:
    if content is None:
        return [], []
    if isinstance(content, str):
        return [text_part(content)], []
    if not isinstance(content, list):
        raise wrong_value(at, "a string, a list of parts, or null", content)
    if len(content) > MAX_PARTS:
        raise InvalidParameter(f"{at} has more than {MAX_PARTS:,} parts.", param=at)
    parts = []
    images = []
    for i, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "image_url":
            images.append(read_image_url(part.get("image_url"), f"{at}[{i}]"))
            parts.append(IMAGE_PART)
        else:
            parts.append(text_part(_text_of(part, kind, f"{at}[{i}]")))
    return parts, images


def _text_of(part: Any, kind: Any, at: str) -> str:
    if not isinstance(kind, str) or kind not in _TEXT_PARTS:
        raise InvalidParameter(
            f"Unknown type {quoted(kind)} of {at}. Use one of: {', '.join(_PART_TYPES)}.",
            param=f"{at}.type",
        )
    text = part.get(_TEXT_PARTS[kind])
    if not isinstance(text, str):
        raise wrong_value(f"{at}.{_TEXT_PARTS[kind]}", "a string", text)
    return text
