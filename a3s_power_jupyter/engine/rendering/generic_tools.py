"""Tools, calls and results as text, for templates that know no tools.

The syntax is `GENERIC_CALLS`. It is described in docs/use.md.
"""

from __future__ import annotations

import json
from typing import Any

from ..chat.format import GENERIC_CALLS
from .calls import arguments_of
from .contents import Message, joined

_CALL = GENERIC_CALLS.start + '{"name": "FUNCTION", "arguments": {ARGUMENTS}}' + GENERIC_CALLS.end

_PROMPT = """\
You can call functions. Each line describes one, with a JSON schema of its arguments:
{tools}

To call a function, write exactly this, and then end your answer:
{call}

Write one such block for each call. You get each result in <tool_response> tags. Call a function \
only if you need it; otherwise answer the user."""


def described(messages: list[Message], tools: list[dict[str, Any]]) -> list[Message]:
    """Return the messages with a description of the tools in the system message."""
    lines = "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)
    prompt = _PROMPT.format(tools=lines, call=_CALL)
    if messages and messages[0]["role"] == "system":
        first = {**messages[0], "content": joined([messages[0]["content"], prompt])}
        return [first, *messages[1:]]
    return [{"role": "system", "content": prompt}, *messages]


def as_text(messages: list[Message]) -> list[Message]:
    """Return the messages with calls and results as text.

    Consecutive results are one message of the user.
    """
    written: list[Message] = []
    after_result = False
    for message in messages:
        is_result = message["role"] == "tool"
        if is_result:
            text = _result(message)
            if after_result:
                text = f"{written.pop()['content']}\n{text}"
            written.append({"role": "user", "content": text})
        elif message.get("tool_calls"):
            rest = {key: value for key, value in message.items() if key != "tool_calls"}
            calls = GENERIC_CALLS.separator.join(map(_call, message["tool_calls"]))
            written.append({**rest, "content": joined([message["content"], calls])})
        else:
            written.append(message)
        after_result = is_result
    return written


def _call(call: dict[str, Any]) -> str:
    content = {"name": call["function"]["name"], "arguments": arguments_of(call)}
    text = json.dumps(content, ensure_ascii=False)
    return f"{GENERIC_CALLS.start}{text}{GENERIC_CALLS.end}"


def _result(message: Message) -> str:
    content = message["content"]
    text = content if isinstance(content, str) else "\n".join(p.get("text", "") for p in content)
    return f"<tool_response>\n{text}\n</tool_response>"
