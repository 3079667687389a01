"""Render made-up chats, within limits."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from ...rendering.protocol import RenderOptions
from ..writing import Call

#: Renders messages as they are, or raises an exception.
Render = Callable[[list[dict[str, Any]], RenderOptions], str]

#: CPU time of learning, and the most renders. A usual template takes 0.3 ms for each.
MAX_SECONDS = 1.0
MAX_RENDERS = 80

#: Longest text that is examined, in characters.
MAX_TEXT = 2**17

USER = "a3s-question"
CONTENT = "a3s-content"
NEXT = "a3s-next"

#: Names of tools and arguments. Some templates sort arguments, so these are sorted.
NAMES = ("a3s_find_thing", "a3s_send_note")
KEYS = ("k_subject", "k_things")

#: Nine letters and digits, as Mistral's templates require.
IDS = ("a3sCallA1", "a3sCallB2")


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "a3s",
            "parameters": {
                "type": "object",
                "properties": {
                    KEYS[0]: {"type": "string", "description": "a3s"},
                    KEYS[1]: {"type": "integer", "description": "a3s"},
                },
                "required": [],
            },
        },
    }
    for name in NAMES
]


class Probes:
    """The renders of one template.

    Attributes
    ----------
    arguments_as : str
        As in `ChatFormat`.
    content : object
        Content of a message with calls, or `...` for none.
    """

    def __init__(self, render: Render) -> None:
        self._render = render
        self._known: dict[str, str | None] = {}
        self._end = time.process_time() + MAX_SECONDS
        self._parts = False
        self._always_tools = False
        self.arguments_as: Any = "object"
        self.content: Any = ""
        if self.prompt() is None:
            self._always_tools = self.prompt(tools=True) is not None
            self._parts = not self._always_tools

    def prompt(self, *, tools: bool = False, **variables: Any) -> str | None:
        """Return the prompt after a user's question."""
        return self._text([], tools, variables, add_generation_prompt=True)

    def answer(
        self, message: dict[str, Any], *, tools: bool = False, **variables: Any
    ) -> str | None:
        """Return the text after a user's question, if the assistant's answer follows."""
        text = self._text([{"role": "assistant", **message}], tools, variables)
        return None if text is None else text[text.rfind(USER) + len(USER) :]

    def calls(self, calls: list[Call], **message: Any) -> str | None:
        """Return the text after a user's question, if an answer with calls follows."""
        content = {} if self.content is ... else {"content": self.content}
        dumped = [self._dumped(call) for call in calls]
        text = self.answer({**content, "tool_calls": dumped, **message}, tools=True)
        return _unless_verbatim(text, "tool_calls")

    def with_result(self, call: Call) -> str | None:
        """Return the text of a call and its result."""
        content = {} if self.content is ... else {"content": self.content}
        answer = {"role": "assistant", **content, "tool_calls": [self._dumped(call)]}
        result = {"role": "tool", "tool_call_id": call.id, "name": call.name, "content": CONTENT}
        return self._text([answer, result], True, {}, add_generation_prompt=True)

    def user_end(self) -> str:
        """Return the text after the content of a user's message."""
        text = self._text([], False, {}) or ""
        return text[text.rfind(USER) + len(USER) :]

    def turn_end(self) -> str:
        """Return the text between the content of an answer and the user's next message."""
        answer = {"role": "assistant", "content": CONTENT}
        text = self._text([answer, {"role": "user", "content": self._content(NEXT)}], False, {})
        return (text or "").rpartition(CONTENT)[2].partition(NEXT)[0]

    def with_tools_in_system_message(self) -> str | None:
        """Return the prompt if the system message has the tools, in JSON."""
        system = {"role": "system", "content": CONTENT, "tools": json.dumps(TOOLS)}
        text = self._text([], False, {}, before=[system], add_generation_prompt=True)
        return _unless_verbatim(text, "tools")

    def _content(self, text: str) -> Any:
        return [{"type": "text", "text": text}] if self._parts else text

    def _dumped(self, call: Call) -> dict[str, Any]:
        arguments: Any = call.arguments
        if self.arguments_as == "text":
            arguments = json.dumps(arguments)
        return {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": arguments},
        }

    def _text(
        self,
        more: list[dict[str, Any]],
        tools: bool,
        variables: dict[str, Any],
        *,
        before: Sequence[dict[str, Any]] = (),
        add_generation_prompt: bool = False,
    ) -> str | None:
        """Return the text, or None if the template fails or leaves the question out."""
        messages = [*before, {"role": "user", "content": self._content(USER)}, *more]
        options = RenderOptions(
            tools=TOOLS if tools or self._always_tools else [],
            template_kwargs=variables,
            add_generation_prompt=add_generation_prompt,
        )
        key = repr((messages, options))
        if key not in self._known:
            self._known[key] = self._rendered(messages, options)
        return self._known[key]

    def _rendered(self, messages: list[dict[str, Any]], options: RenderOptions) -> str | None:
        if len(self._known) >= MAX_RENDERS or time.process_time() > self._end:
            return None
        try:
            text = self._render(messages, options)
        except Exception:  # whatever the template does, another probe may succeed
            return None
        return text if USER in text and len(text) <= MAX_TEXT else None


def _unless_verbatim(text: str | None, key: str) -> str | None:
    """Return a text, or None if the template prints a message as it is, with its keys."""
    return None if text is None or f"'{key}'" in text or f'"{key}"' in text else text
