"""Make the messages of a chat from the items of a response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...contract.errors import InvalidParameter
from ...contract.text import quoted
from ..chat.contents import IMAGE_PART, Content, Part, content_of, text_part
from ..chat.history import CallHistory
from ..chat.images import check_count, read_image_url
from .items import Item
from .reasoning import thoughts_of
from .tools import joined

#: The roles of messages for the engine.
_ROLES = {"developer": "system"}


def read_conversation(
    instructions: str, items: Sequence[Item]
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Return the messages and images as in `ChatRequest`.

    The items that the model has generated in a row, its thoughts, text and calls, are one message.

    Raises
    ------
    InvalidParameter
        If an image is malformed, there are too many, or a result has no call.
    """
    check_count(sum(map(_count_images, items)), "input")
    conversation = _Conversation()
    if instructions:
        conversation.messages.append({"role": "system", "content": instructions})
    for item in items:
        conversation.add(item)
    return conversation.messages, conversation.images


def _count_images(item: Item) -> int:
    """Count the images of an item before any is decoded."""
    parts = item.value.get("content") or item.value.get("output") or []
    return sum(part["type"] == "input_image" for part in parts if isinstance(part, dict))


class _Conversation:
    """The messages so far. `_turn` is the last one while it is the model's."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.images: list[bytes] = []
        self._turn: dict[str, Any] | None = None
        self._history = CallHistory()
        self._calls: set[str] = set()

    def add(self, item: Item) -> None:
        kind = item.value["type"]
        if kind == "reasoning":
            self._add_thoughts(thoughts_of(item.value))
        elif kind == "function_call":
            self._add_call(item.value)
        elif kind == "function_call_output":
            self._add_result(item)
        elif item.value["role"] == "assistant":
            self._add_text(self._content(item.value["content"], f"{item.at}.content"))
        else:
            role = item.value["role"]
            content = self._content(item.value["content"], f"{item.at}.content")
            self._append({"role": _ROLES.get(role, role), "content": content})

    def _append(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        self._turn = None

    def _own_turn(self, *, ends_with_text: bool) -> dict[str, Any]:
        """Return the model's message to add to; a new one after text, if that ends a message."""
        turn = self._turn
        after_text = turn is not None and turn["content"] and not turn.get("tool_calls")
        if turn is None or (ends_with_text and after_text):
            turn = {"role": "assistant", "content": ""}
            self.messages.append(turn)
            self._turn = turn
        return turn

    def _add_thoughts(self, thoughts: str) -> None:
        if thoughts:
            turn = self._own_turn(ends_with_text=True)
            before = turn.get("reasoning_content")
            turn["reasoning_content"] = f"{before}\n{thoughts}" if before else thoughts

    def _add_text(self, content: Content) -> None:
        turn = self._own_turn(ends_with_text=True)
        turn["content"] += content

    def _add_call(self, call: dict[str, Any]) -> None:
        turn = self._own_turn(ends_with_text=False)
        name = joined(call.get("namespace"), call["name"])
        called = self._history.call(name, call["arguments"], call["call_id"])
        turn.setdefault("tool_calls", []).append(called)
        self._calls.add(call["call_id"])

    def _add_result(self, item: Item) -> None:
        call_id = item.value["call_id"]
        if call_id not in self._calls:
            raise InvalidParameter(
                f"{item.at} is the output of the call {quoted(call_id)}, which is not in the "
                "input. Send its function_call before it, or previous_response_id.",
                param=f"{item.at}.call_id",
            )
        output = item.value["output"]
        content = output if isinstance(output, str) else self._content(output, f"{item.at}.output")
        self._append({"role": "tool", "content": content, **self._history.result(call_id)})

    def _content(self, parts: list[dict[str, Any]], at: str) -> Content:
        read: list[Part] = []
        for i, part in enumerate(parts):
            if part["type"] == "input_image":
                self.images.append(read_image_url(part["image_url"], f"{at}[{i}].image_url"))
                read.append(IMAGE_PART)
            else:
                read.append(text_part(part.get("text") or part.get("refusal") or ""))
        return content_of(read)
