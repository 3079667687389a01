"""Tools, calls and results as text, for templates that do not render them.

The syntax of calls is the model's own if its template shows it, or else `GENERIC_CALLS`.
"""

from __future__ import annotations

import json
from typing import Any

from ..chat.format import CallSyntax
from ..chat.writing import Call, calls_text
from .calls import arguments_of
from .contents import Message, joined
from .tool_schemas import Tool

_PROMPT = """\
You can call functions. Each line describes one, with a JSON schema of its arguments:
{tools}

To call a function, write exactly this with its name and its arguments, and then end your answer:
{call}

You get the result in the next message. Call a function only if you need it; otherwise answer the \
user."""


def described(messages: list[Message], tools: list[Tool], syntax: CallSyntax) -> list[Message]:
    """Return the messages with a description of the tools in the system message."""
    lines = "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)
    call = calls_text(syntax, [Call("FUNCTION", {"ARGUMENT": "VALUE"}, "callId123")])
    prompt = _PROMPT.format(tools=lines, call=call)
    if messages and messages[0]["role"] == "system":
        first = {**messages[0], "content": joined([messages[0]["content"], prompt])}
        return [first, *messages[1:]]
    return [{"role": "system", "content": prompt}, *messages]


def as_text(
    messages: list[Message], syntax: CallSyntax, *, keep_results: bool = False
) -> list[Message]:
    """Return the messages with calls, and unless they are kept also results, as text.

    Consecutive results are one message of the user.
    """
    written: list[Message] = []
    after_result = False
    for message in messages:
        is_result = message["role"] == "tool" and not keep_results
        if is_result:
            text = _result(message)
            if after_result:
                text = f"{written.pop()['content']}\n{text}"
            written.append({"role": "user", "content": text})
        elif message.get("tool_calls"):
            rest = {key: value for key, value in message.items() if key != "tool_calls"}
            calls = calls_text(syntax, [*map(_call, message["tool_calls"])])
            written.append({**rest, "content": joined([message["content"], calls])})
        else:
            written.append(message)
        after_result = is_result
    return written


def _call(call: dict[str, Any]) -> Call:
    arguments = arguments_of(call)
    if not isinstance(arguments, dict):  # not valid JSON, or not an object
        arguments = {"arguments": arguments}
    return Call(call["function"]["name"], arguments, call["id"])


def _result(message: Message) -> str:
    content = message["content"]
    text = content if isinstance(content, str) else "\n".join(p.get("text", "") for p in content)
    return f"<tool_response>\n{text}\n</tool_response>"
