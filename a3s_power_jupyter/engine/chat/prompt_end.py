"""The end of a prompt, from which it follows how its answer begins."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...contract.types import ChatRequest
from .format import ChatFormat

#: Most characters that a prompt has after the last message.
_AFTER_MESSAGES = 1000


class PromptEnd(NamedTuple):
    """The end of a chat's prompt.

    Attributes
    ----------
    prefill : str
        The start of the answer, if `text` ends with it.
    """

    text: str
    prefill: str = ""

    @classmethod
    def of(cls, prompt: str, request: ChatRequest, format_: ChatFormat) -> PromptEnd:
        """Return the end of the prompt that was rendered for a request."""
        if not request.continue_final_message:
            return cls(prompt[-_AFTER_MESSAGES:])
        prefill = _prefill(prompt, request.messages[-1], format_)
        return cls(prompt[-_AFTER_MESSAGES - len(prefill) :], prefill)


def _prefill(prompt: str, message: dict[str, Any], format_: ChatFormat) -> str:
    """Return the part of the prompt that is the message to continue."""
    content = message.get("content") or ""
    if not isinstance(content, str):
        content = "".join(part.get("text", "") for part in content)
    start = format_.reasoning.start.strip() if format_.reasoning else ""
    at = prompt.rfind(start) if start else -1
    if at >= 0:
        text = prompt[at:]
        whole = f"{message.get('reasoning_content') or ''}{content}"
        if _bare(text, format_) and _bare(text, format_) == _bare(whole, format_):
            return text
    return content if prompt.endswith(content) else content.rstrip()


def _bare(text: str, format_: ChatFormat) -> str:
    """Return a text without white space and without the markers of thoughts."""
    if format_.reasoning:
        for marker in (format_.reasoning.start.strip(), format_.reasoning.end.strip()):
            text = text.replace(marker, "") if marker else text
    return "".join(text.split())
