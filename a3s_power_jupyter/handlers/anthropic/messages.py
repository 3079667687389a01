"""Read the messages of a chat: turns, tool calls and their results, and thoughts."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from ..chat.contents import Part, content_of, read_role, refuse_fields, text_part
from ..chat.functions import check_name
from ..chat.history import CallHistory, arguments_text
from ..fields import optional_string, required_string, wrong_value
from .blocks import PARTS, BlockReader, Located, blocks_of, type_of, unsupported_block

#: ``system`` is for instructions that a client adds later.
_ROLES = ("user", "assistant", "system")

#: Types of blocks in messages of each role.
_OF_USER = (*PARTS, "tool_result")
_OF_ASSISTANT = ("text", "thinking", "redacted_thinking", "tool_use")

#: Fields of messages in other dialects, and what to send in place of them.
_FOREIGN = {
    "tool_calls": "Send each call as a block of the type 'tool_use'.",
    "function_call": "Send the call as a block of the type 'tool_use'.",
    "images": "Send blocks of the type 'image' in the content.",
}

#: The beginning of a line that Claude Code puts before the system prompt. It is for Anthropic's
#: accounting, and differs in each request, so that nothing after it would be in the prefix cache.
_BILLING = "x-anthropic-billing-header:"


def read_messages(
    system: Any, messages: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Check the messages of a chat and separate the images from the text.

    Results of tools become messages of their own, before the rest of the user's message. Images in
    results move to the user's message, because few chat templates allow them elsewhere. Successive
    messages of the user, or of the assistant, are one turn.

    Parameters
    ----------
    system : object
        The field ``system``: a string, blocks of text, or null.

    Returns
    -------
    messages : list of dict
        As in `ChatRequest`.
    images : list of bytes
        The image files, in the order of their parts.

    Raises
    ------
    UnsupportedRequestFields
        If a block is of a type that local models do not have.
    InvalidParameter
        If a message or a block is malformed.
    """
    reader = _MessageReader()
    if system is not None:
        reader.add_system(blocks_of(system, "system"))
    located = [(message, f"messages[{i}]") for i, message in enumerate(messages)]
    for message, at in located:
        refuse_fields(message, _FOREIGN, at)
    for role, turn in groupby(located, key=lambda pair: read_role(pair[0], _ROLES, pair[1])):
        contents = (blocks_of(m.get("content"), f"{at}.content") for m, at in turn)
        blocks = [block for content in contents for block in content]
        reader.add(role, blocks)
    return reader.messages, reader.blocks.images


class _MessageReader:
    """Reads the turns of one chat, in their order.

    Attributes
    ----------
    messages : list of dict
        As in `ChatRequest`.
    blocks : BlockReader
        Has the images.
    """

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.blocks = BlockReader()
        self._history = CallHistory()

    def add(self, role: str, blocks: list[Located]) -> None:
        """Add the messages of one turn."""
        if role == "user":
            self._add_user(blocks)
        elif role == "assistant":
            self._add_assistant(blocks)
        else:
            self.add_system(blocks)

    def add_system(self, blocks: list[Located]) -> None:
        parts: list[Part] = []
        for block, at in blocks:
            if type_of(block, at) != "text":
                raise unsupported_block(block["type"], at, ("text",))
            parts += self.blocks.part(_without_billing(block, at), at, ("text",))
        if parts:
            self._append("system", parts)

    def _add_user(self, blocks: list[Located]) -> None:
        results = [pair for pair in blocks if pair[0].get("type") == "tool_result"]
        rest = [pair for pair in blocks if pair[0].get("type") != "tool_result"]
        parts = [image for block, at in results for image in self._add_result(block, at)]
        for block, at in rest:
            parts += self.blocks.part(block, at, _OF_USER)
        if parts or not results:
            self._append("user", parts)

    def _add_result(self, block: dict[str, Any], at: str) -> list[Part]:
        """Add the message of a tool's result, and return its images."""
        content = block.get("content")
        parts = [] if content is None else self.blocks.parts(content, f"{at}.content")
        texts = [part for part in parts if part["type"] == "text"]
        if _is_error(block, at) and not _says_error(texts):
            texts = [text_part("Error:"), *texts]
        answered = self._history.result(optional_string(block, "tool_use_id", at))
        self._append("tool", texts, **answered)
        return [part for part in parts if part["type"] == "image"]

    def _add_assistant(self, blocks: list[Located]) -> None:
        parts: list[Part] = []
        thoughts: list[str] = []
        calls = []
        for block, at in blocks:
            kind = type_of(block, at)
            if kind == "text":
                parts += self.blocks.part(block, at, _OF_ASSISTANT)
            elif kind == "thinking":
                thoughts.append(required_string(block, "thinking", at))
            elif kind == "tool_use":
                calls.append(self._call(block, at))
            elif kind != "redacted_thinking":  # which only Anthropic's models can read
                raise unsupported_block(kind, at, _OF_ASSISTANT)
        more: dict[str, Any] = {"tool_calls": calls} if calls else {}
        if reasoning := "\n\n".join(filter(None, thoughts)):
            more["reasoning_content"] = reasoning
        self._append("assistant", parts, **more)

    def _call(self, block: dict[str, Any], at: str) -> dict[str, Any]:
        name = check_name(block.get("name"), f"{at}.name")
        given = block.get("input")
        if given is not None and not isinstance(given, dict):
            raise wrong_value(f"{at}.input", "an object", given)
        arguments = arguments_text(given, f"{at}.input")
        return self._history.call(name, arguments, optional_string(block, "id", at))

    def _append(self, role: str, parts: list[Part], **more: Any) -> None:
        self.messages.append({"role": role, "content": content_of(parts), **more})


def _without_billing(block: dict[str, Any], at: str) -> dict[str, Any]:
    text = required_string(block, "text", at)
    return {**block, "text": text.partition("\n")[2]} if text.startswith(_BILLING) else block


def _is_error(block: dict[str, Any], at: str) -> bool:
    value = block.get("is_error")
    if value is not None and not isinstance(value, bool):
        raise wrong_value(f"{at}.is_error", "true or false", value)
    return bool(value)


def _says_error(texts: list[Part]) -> bool:
    """Whether a model can see from the text of a result that the tool failed."""
    return bool(texts) and texts[0]["text"].lstrip().lower().startswith("error")
