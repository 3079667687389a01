"""Chats as Markdown and as notebooks.

What models write is untrusted, and JupyterLab shows images of other servers in Markdown. So text
outside of code blocks has no images, no HTML, no links to anything but pages and addresses, and no
commands of MathJax that change the page. A zero-width space keeps them from being recognized, and
the text reads as before.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..contract.fences import IndentedBlock, indented_block
from ..contract.types import Chat
from .chat_text import attachments_of, string_of, text_of, thoughts_of

_ROLES = {"user": "You", "system": "System prompt", "tool": "Result of a tool"}

#: The first line of a code block. One that is indented may be in a list, which ends elsewhere.
_FENCE = re.compile(r"(`{3,}|~{3,})([^`\n]*)")

#: Where a zero-width space turns a fence off that is not at the beginning of its line.
_INDENTED_FENCE = re.compile(r"(?<![`~])(?=```|~~~)")

#: What a zero-width space after it turns off: images, HTML, links by their URL and by its
#: definition, and commands of MathJax that link, style, load, or define macros for the whole page.
_ACTIVE = re.compile(
    r"!(?=\[)|<(?=[A-Za-z/!?])|\](?=(?:\(|:)\s*<?(?!\s|<|https?://|mailto:)(?:[/\\.]|[^\s)]*[:&\\]))"
    r"|\\(?=(?:href|style|class|cssId|unicode|require|def|let|bbox|mmlToken|setOptions)(?![A-Za-z])"
    r"|(?:re)?new[a-z]|Newext|Declare|mathtoolsset)",
    re.IGNORECASE,
)

#: Languages whose blocks become code cells.
_PYTHON = {"python", "py", "python3", "ipython"}


class Block(NamedTuple):
    """A code block with its language, or text with the language None."""

    text: str
    language: str | None


def markdown_of(chat: Chat) -> str:
    """Return a chat as Markdown."""
    sections = [f"# {_heading(chat)}", *_cells_text(chat)]
    return "\n\n".join(sections) + "\n"


def notebook_of(chat: Chat) -> dict[str, Any]:
    """Return a chat as a notebook in nbformat 4.5, with the Python code of answers in cells."""
    cells = [_markdown_cell(f"# {_heading(chat)}")]
    for message, results in _with_results(chat):
        cells.append(_markdown_cell(_intro(message, chat, results)))
        blocks = [*_blocks(text_of(message))]
        parts = _joined(blocks) if message.get("role") == "assistant" else [_text(blocks)]
        cells += [_cell(block) for block in parts if block.text.strip()]
    for index, cell in enumerate(cells):
        cell["id"] = f"cell-{index}"
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        },
        "cells": cells,
    }


def harmless(text: str) -> str:
    """Return Markdown without images and HTML outside of its code blocks."""
    return _source([*_blocks(text)])


def _inert(text: str) -> str:
    """Return text without images and HTML, also in what may be a code block."""
    return _ACTIVE.sub(lambda match: match[0] + "\u200b", text)


def _in_line(text: str) -> str:
    return _inert(" ".join(text.split()))


def _source(blocks: list[Block]) -> str:
    texts = (_inert(block.text) if block.language is None else _fenced(block) for block in blocks)
    return "\n".join(texts)


def _heading(chat: Chat) -> str:
    return _in_line(chat.title) or "Chat"


def _messages(chat: Chat) -> list[dict[str, Any]]:
    system = chat.parameters.get("system")
    before = [{"role": "system", "content": system}] if isinstance(system, str) and system else []
    after = [] if chat.answer is None else [{**chat.answer, "role": "assistant"}]
    return [*before, *chat.messages, *after]


def _cells_text(chat: Chat) -> Iterator[str]:
    for message, results in _with_results(chat):
        yield _intro(message, chat, results)
        if text := text_of(message).strip():
            yield harmless(text)


def _with_results(chat: Chat) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Yield each message with the results of its calls, by the id of the call.

    Results follow their calls. Those of no call are messages of their own.
    """
    messages = deque(_messages(chat))
    while messages:
        message = messages.popleft()
        calls = {string_of(call.get("id")) for call in _calls(message)} - {""}
        results: dict[str, str] = {}
        while messages and (id_ := _result_id(messages[0])) in calls:
            results[id_] = text_of(messages.popleft())
        yield message, results


def _result_id(message: dict[str, Any]) -> str:
    return string_of(message.get("tool_call_id")) if message.get("role") == "tool" else ""


def _intro(message: dict[str, Any], chat: Chat, results: dict[str, str]) -> str:
    """Return the heading of a message, with its thoughts, attachments, and calls with results."""
    role = message.get("role")
    name = chat.model or "Assistant" if role == "assistant" else _ROLES.get(str(role), "Message")
    parts = [f"## {_in_line(name)}"]
    if thoughts := thoughts_of(message).strip():
        # A code block in a quotation ends with it, so none of its lines counts as code.
        parts.append("\n".join(f"> {line}" for line in _inert(thoughts).splitlines()))
    for title, text in attachments_of(message):
        parts.append(harmless(text.strip()) if text else f"*{_in_line(title)}*")
    for call in _calls(message):
        parts.append(_call(call))
        result = results.get(string_of(call.get("id")), "").strip("\n")
        if result:
            parts += ["Result:", _fenced(Block(result, ""))]
    return "\n\n".join(parts)


def _calls(message: dict[str, Any]) -> list[dict[str, Any]]:
    calls = message.get("tool_calls")
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def _call(call: dict[str, Any]) -> str:
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    return _fenced(Block(f"{function.get('name', '')}({function.get('arguments', '')})", ""))


def _blocks(text: str) -> Iterator[Block]:
    """Divide Markdown into text and code blocks, the last of which may be open.

    Blocks that are indented or in lists stay in the text. If the end of one is not clear, its
    fences are turned off, because the next block might end it instead of being one.
    """
    lines: list[str] = []
    fence, language = "", ""
    indented = IndentedBlock(-1, True)
    all_lines = text.splitlines()
    for index, line in enumerate(all_lines):
        opening = _FENCE.fullmatch(line)
        if not fence and index > indented.end:
            indented = indented_block(all_lines, index) or indented
        if index <= indented.end and not indented.is_clear:
            line = _INDENTED_FENCE.sub("\u200b", line)
        if fence:
            if re.fullmatch(rf" {{0,3}}{fence[0]}{{{len(fence)},}}[ \t]*", line):
                yield Block("\n".join(lines), language)
                lines, fence = [], ""
            else:
                lines.append(line)
        elif opening:
            if lines:
                yield Block("\n".join(lines), None)
            lines, fence = [], opening[1]
            language = (opening[2].split() or [""])[0]
        else:
            lines.append(line)
    if lines or fence:
        yield Block("\n".join(lines), language if fence else None)


def _fenced(block: Block) -> str:
    runs = [len(run) for run in re.findall(r"`{3,}", block.text)]
    fence = "`" * max([3, *(length + 1 for length in runs)])
    return f"{fence}{block.language}\n{block.text}\n{fence}"


def _joined(blocks: list[Block]) -> Iterator[Block]:
    """Join the blocks that are no Python code to texts."""
    texts: list[Block] = []
    for block in blocks:
        if (block.language or "").lower() in _PYTHON:
            yield _text(texts)
            yield block
            texts = []
        else:
            texts.append(block)
    yield _text(texts)


def _text(blocks: list[Block]) -> Block:
    return Block(_source(blocks), None)


def _cell(block: Block) -> dict[str, Any]:
    if block.language is None:
        return _markdown_cell(block.text.strip("\n"))
    return {
        "cell_type": "code",
        "metadata": {},
        "source": block.text,
        "outputs": [],
        "execution_count": None,
    }


def _markdown_cell(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}
