"""Turn a chat of Jupyter AI into the messages of a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .harmless import as_written

#: In the metadata of a message: the persona's own word on a command or an error, not an answer.
NOTICE = "a3s_power_notice"

Message = dict[str, Any]


def messages_of(
    chat: Iterable[Any],
    question: Any,
    persona: str,
    system: str,
    parts_of: Callable[[Any], list[dict[str, Any]]],
) -> list[Message]:
    """Return the conversation with a persona up to a question.

    Messages to and from other personas, deleted ones, commands and notices are left out.

    Parameters
    ----------
    chat : iterable
        The messages of the chat, as ``jupyterlab_chat.models.Message``, in their order.
    question : Message
        The last message to include.
    persona : str
        The id of the persona.
    system : str
        The system prompt, which may be empty.
    parts_of : callable
        Returns the content of the attachments of a message. Those of a former message are left
        out if they can no longer be read.
    """
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    for message in chat:
        if message.id == question.id:
            break
        if message.deleted or _is_apart(message):
            continue
        if message.sender == persona:
            if message.body:
                messages.append({"role": "assistant", "content": as_written(message.body)})
        elif _to(message) == persona:
            messages.append(_question(message, parts_of))
    return [*messages, _question(question, parts_of)]


def shortened(messages: list[Message]) -> list[Message] | None:
    """Leave out the oldest half of the former turns, or return None if there are none."""
    start = 1 if messages and messages[0]["role"] == "system" else 0
    former = len(messages) - 1 - start
    if former < 1:
        return None
    rest = messages[start + (former + 1) // 2 :]
    while len(rest) > 1 and rest[0]["role"] != "user":  # a conversation begins with a question
        rest = rest[1:]
    return [*messages[:start], *rest]


def _question(message: Any, parts_of: Callable[[Any], list[dict[str, Any]]]) -> Message:
    parts = parts_of(message)
    if not parts:
        return {"role": "user", "content": message.body}
    return {"role": "user", "content": [*parts, {"type": "text", "text": message.body}]}


def _is_apart(message: Any) -> bool:
    return bool((message.metadata or {}).get(NOTICE)) or message.body.startswith("/model")


def _to(message: Any) -> Any:
    return (message.metadata or {}).get("to_persona")
