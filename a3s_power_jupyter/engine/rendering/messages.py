"""Adapt the messages of a request to what a template renders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..chat.format import ReasoningSyntax
from . import calls, generic_tools
from .contents import Message, as_parts, joined
from .protocol import RenderOptions, Template, Traits
from .tool_schemas import Tool, plain


def adapt(
    messages: list[Message], options: RenderOptions, template: Template
) -> tuple[list[Message], list[Tool]]:
    """Return the messages and the tools for the template."""
    traits, format_ = template.traits, template.format
    tools = [plain(tool) for tool in options.tools]
    messages = calls.complete(messages)
    if format_.reasoning is not None:
        messages = [_thoughtful(message, format_.reasoning, traits) for message in messages]
    if tools and not format_.native_tools:
        messages, tools = generic_tools.described(messages, tools, format_.calls), []
    elif tools and format_.tools_in == "system_message":
        messages, tools = _in_system_message(messages, tools), []
    if format_.native_calls:
        messages = calls.native(messages, traits, format_)
    else:
        keep = format_.native_tools and traits.results
        messages = generic_tools.as_text(messages, format_.calls, keep_results=keep)
    messages = _with_system(messages, traits)
    messages = _with_turns(messages, traits)
    if traits.parts and not traits.text:
        messages = in_parts(messages)
    elif not traits.parts:
        messages = [{**message, "content": _as_text(message["content"])} for message in messages]
    return messages, tools


def _in_system_message(messages: list[Message], tools: list[Tool]) -> list[Message]:
    """Return the messages with the tools, as JSON text, in the key `tools` of the first one."""
    functions = json.dumps([tool["function"] for tool in tools], ensure_ascii=False)
    if messages and messages[0]["role"] == "system":
        return [{**messages[0], "tools": functions}, *messages[1:]]
    return [{"role": "system", "content": "", "tools": functions}, *messages]


def _as_text(content: Any) -> Any:
    """Return content as a string, if its parts are text."""
    if isinstance(content, list) and all(part.get("type") == "text" for part in content):
        return "\n".join(part["text"] for part in content)
    return content


def in_parts(messages: list[Message]) -> list[Message]:
    """Return the messages with their content as lists of parts."""
    return [{**message, "content": as_parts(message.get("content") or "")} for message in messages]


# ---------------------------------------------------------------- thoughts


def _thoughtful(message: Message, syntax: ReasoningSyntax, traits: Traits) -> Message:
    """Put the thoughts of an answer where the template reads them, or leave them out."""
    if message["role"] != "assistant":
        return message
    message = dict(message)
    thoughts, message["content"] = split_thoughts(message, syntax)
    message.pop("reasoning_content", None)
    if not thoughts or not reads_thoughts(syntax):
        return message
    if message.get("tool_calls") and message["content"] and not traits.thoughts_beside_text:
        return message
    if syntax.history == "thinking_part":
        part = {"type": "thinking", "thinking": thoughts}
        message["content"] = [part, *as_parts(message["content"])]
    else:
        message[syntax.history] = thoughts
    return message


def reads_thoughts(syntax: ReasoningSyntax) -> bool:
    """Whether a template renders the thoughts of the history, apart from its content."""
    return syntax.history not in ("", "content")


def split_thoughts(message: Message, syntax: ReasoningSyntax) -> tuple[str, Any]:
    """Return the thoughts and the content of a message, which may have its thoughts as text."""
    thoughts, content = message.get("reasoning_content") or "", message["content"]
    end = syntax.end.strip()
    if thoughts or not isinstance(content, str) or not end or end not in content:
        return thoughts, content
    before, _, after = content.partition(end)
    start = syntax.start.strip()
    head, _, inside = before.rpartition(start) if start in before else ("", "", before)
    return (inside.strip(), after.lstrip()) if not head.strip() else ("", content)


# ---------------------------------------------------------------- roles


def _with_system(messages: list[Message], traits: Traits) -> list[Message]:
    """Move system messages to where the template renders them.

    Those at the beginning become one. All others, and also this one if the template renders no
    system message, become the beginning of the user's next message.
    """
    if traits.system == "anywhere":
        return messages
    ends_with_user = bool(messages) and messages[-1]["role"] == "user"
    first = traits.system == "first" or (traits.system == "before_user" and ends_with_user)
    moved: list[Message] = []
    waiting: list[Message] = []
    for message in [*messages, None]:
        if message is not None and message["role"] == "system":
            waiting.append(message)
            continue
        contents = [each["content"] for each in waiting]
        if waiting and first and not moved:
            moved.append({**waiting[0], "content": joined(contents)})
        elif waiting and message is not None and message["role"] == "user":
            message = {**message, "content": joined([*contents, message["content"]])}
        elif waiting:
            moved.append({"role": "user", "content": joined(contents)})
        waiting = []
        if message is not None:
            moved.append(message)
    return moved


def _with_turns(messages: list[Message], traits: Traits) -> list[Message]:
    """Let the roles alternate, if the template demands it."""
    if traits.drops_empty_answers:
        messages = [message for message in messages if not _is_empty_answer(message)]
    if traits.answers_results:
        messages = list(_with_answers(messages))
    if traits.alternates:
        messages = _merged(messages)
    first = next((i for i, m in enumerate(messages) if m["role"] != "system"), None)
    if traits.begins_with_user and first is not None and messages[first]["role"] != "user":
        messages = [*messages[:first], {"role": "user", "content": ""}, *messages[first:]]
    return messages


def _is_empty_answer(message: Message) -> bool:
    return message["role"] == "assistant" and not (message["content"] or message.get("tool_calls"))


def _with_answers(messages: list[Message]) -> Iterator[Message]:
    """Put a blank answer between a result and the user's next message."""
    before = None
    for message in messages:
        if message["role"] == "user" and before == "tool":
            yield {"role": "assistant", "content": " "}
        yield message
        before = message["role"]


def _merged(messages: list[Message]) -> list[Message]:
    """Join consecutive messages of the user, and of the assistant."""
    merged: list[Message] = []
    for message in messages:
        if merged and _can_merge(merged[-1], message):
            content = joined([merged[-1]["content"], message["content"] or ""])
            merged[-1] = {**merged[-1], **message, "content": content}
        else:
            merged.append(message)
    return merged


def _can_merge(before: Message, message: Message) -> bool:
    if before["role"] != message["role"] or message["role"] not in ("user", "assistant"):
        return False
    return not before.get("tool_calls") and not message.get("tool_calls")
