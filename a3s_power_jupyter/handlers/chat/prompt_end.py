"""Decide whether an answer continues the last message of a chat or starts a new one."""

from __future__ import annotations

from typing import Any

import msgspec

from ...contract.errors import InvalidParameter


class PromptEnd(msgspec.Struct, frozen=True):
    """The messages of a chat with the fields of `ChatRequest` that say how the prompt ends."""

    messages: list[dict[str, Any]]
    add_generation_prompt: bool
    continue_final_message: bool


def prompt_end(
    messages: list[dict[str, Any]], continues: bool | None = None, generates: bool | None = None
) -> PromptEnd:
    """Return how the prompt of a chat ends.

    By default, a last message of the assistant is continued. An empty one is left out, because an
    answer that continues it is a new message.

    Parameters
    ----------
    messages : list of dict
        As in `ChatRequest.messages`, not empty.
    continues, generates : bool or None
        ``continue_final_message`` and ``add_generation_prompt`` of the request.

    Raises
    ------
    InvalidParameter
        If both are true, or if the last message is not an answer that can be continued.
    """
    last = messages[-1]
    is_answer = last["role"] == "assistant" and not last.get("tool_calls")
    if continues is None:
        continues = is_answer and generates is not True
    elif continues and generates is True:
        raise InvalidParameter(
            "'continue_final_message' and 'add_generation_prompt' are both true. An answer either "
            "continues the last message or starts a new one: omit one of the fields.",
            param="continue_final_message",
        )
    elif continues and not is_answer:
        raise InvalidParameter(
            "'continue_final_message' requires a last message with the role 'assistant' and "
            "without tool calls.",
            param="continue_final_message",
        )
    if not continues:
        return PromptEnd(messages, generates is not False, False)
    if len(messages) > 1 and not last["content"] and not last.get("reasoning_content"):
        return PromptEnd(messages[:-1], True, False)
    return PromptEnd(messages, False, True)
