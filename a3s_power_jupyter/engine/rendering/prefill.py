"""Prompts that end with the assistant's last message, for the model to continue it."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from ..chat.format import ReasoningSyntax
from .contents import Message, text_at_end, with_suffix
from .messages import reads_thoughts, split_thoughts
from .sandbox import TemplateFailed

#: Renders messages, with or without the beginning of the assistant's next message.
Render = Callable[[list[Message], bool], str]


def continued(render: Render, messages: list[Message], syntax: ReasoningSyntax | None) -> str:
    """Return the prompt up to the end of the last message.

    The template renders the message with a mark at its end. What follows the mark, such as a token
    that ends the message, is not part of the prompt. If the template does not render the mark, the
    message follows the beginning of an answer. So it does if the model has to continue thoughts.
    """
    *before, last = messages
    if syntax is not None:
        thoughts, content = split_thoughts(last, syntax)
        last = {**last, "content": content, "reasoning_content": thoughts}
        text = text_at_end(content)
        begun = _begun_thought(thoughts, text, syntax)
        if begun is not None:
            return _opened(render(before, True), syntax.start) + begun
    text = text_at_end(last["content"])
    mark = secrets.token_hex(16)
    marked = {**last, "content": with_suffix(last["content"], mark)}
    try:
        prompt, found, _ = render([*before, marked], False).rpartition(mark)
    except TemplateFailed:
        found = ""
    if found and prompt.endswith(text.lstrip()):
        return prompt
    return render(before, True) + text


def _begun_thought(thoughts: str, text: str, syntax: ReasoningSyntax) -> str | None:
    """Return what follows the marker of a thought, if the message cannot be rendered whole."""
    start = syntax.start.strip()
    if thoughts and not text:
        return thoughts
    if thoughts and not reads_thoughts(syntax):
        return f"{thoughts}{syntax.end}{text}"
    if not thoughts and start and text.lstrip().startswith(start):
        return text.lstrip()[len(start) :].lstrip("\n")
    return None


def _opened(prompt: str, start: str) -> str:
    """Return the prompt with the marker of a thought at its end."""
    if prompt.rstrip().endswith(start.strip()):
        return prompt
    return prompt + start
