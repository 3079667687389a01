"""Prompts that end with the assistant's last message, for the model to continue it."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from ..chat.format import ReasoningSyntax
from .contents import Message, text_at_end, with_suffix
from .messages import reads_thoughts
from .sandbox import TemplateFailed

#: Renders messages, with or without the beginning of the assistant's next message.
Render = Callable[[list[Message], bool], str]


def continued(render: Render, messages: list[Message], syntax: ReasoningSyntax | None) -> str:
    """Return the prompt up to the end of the last message.

    The template renders the message with a mark at its end. What follows the mark, such as a token
    that ends the message, is not part of the prompt. If the template does not render the mark, the
    message follows the beginning of an answer. So does one that begins with thoughts, unless the
    template renders both.
    """
    *before, last = messages
    text = text_at_end(last["content"])
    thoughtful = None if syntax is None else _with_thoughts(last, text, syntax)
    if syntax is not None and thoughtful is not None:
        return _after(render(before, True), thoughtful, syntax.start.strip())
    mark = secrets.token_hex(16)
    marked = {**last, "content": with_suffix(last["content"], mark)}
    try:
        prompt, found, _ = render([*before, marked], False).rpartition(mark)
    except TemplateFailed:
        found = ""
    if found and prompt.endswith(text.lstrip()):
        return prompt
    return render(before, True) + text


def _with_thoughts(last: Message, text: str, syntax: ReasoningSyntax) -> str | None:
    """Return the thoughts with their markers, and the text, or None if the template renders both.

    Thoughts in the text stay as they are.
    """
    start, end = syntax.start.strip(), syntax.end.strip()
    thoughts = last.get("reasoning_content")
    if thoughts:
        if text and reads_thoughts(syntax):
            return None
        return f"{syntax.start}{thoughts}{syntax.end}{text}" if text else syntax.start + thoughts
    if not start:
        return None
    if text.lstrip().startswith(start):
        return text.lstrip()
    return f"{syntax.start}{text}" if end in text and start not in text else None


def _after(prompt: str, text: str, start: str) -> str:
    """Append a text that begins with the marker of thoughts, which may be in the prompt already."""
    if not start or not prompt.rstrip().endswith(start):
        return prompt + text
    rest = text.removeprefix(start)
    return prompt + (rest.removeprefix("\n") if prompt.endswith("\n") else rest)
