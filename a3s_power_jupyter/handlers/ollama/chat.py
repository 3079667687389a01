"""Read the requests of ``POST /api/chat``."""

from __future__ import annotations

from typing import Any

from ...contract.types import ChatRequest
from ..chat.chat_request import Tools, chat_request
from ..chat.functions import distinct, function, listed, parallel_calls, unsupported_tool
from ..chat.history import with_results
from ..chat.prompt_end import prompt_end
from ..chat.tool_choice import read_choice
from ..fields import read_fields, wrong_value
from .calls import Call, make_call, template_kwargs
from .content import check_content
from .fields import REFUSED, ChatFields
from .messages import read_messages


def read_chat(body: dict[str, Any]) -> Call:
    """Read the body of ``POST /api/chat``.

    Raises
    ------
    UnsupportedRequestFields
        If a field requests something unsupported.
    InvalidParameter
        If a field is missing or has an invalid value.
    InvalidKeepAlive
        If ``keep_alive`` is not a duration.
    """
    fields = read_fields(body, ChatFields, refused=REFUSED)
    check_content(body, "messages", ChatFields)
    return make_call(fields, *([_request(fields)] if fields.messages else []))


def _request(fields: ChatFields) -> ChatRequest:
    messages, images = read_messages(fields.messages)
    end = prompt_end(with_results(messages))
    tools = _tools(fields)
    return chat_request(end, images, tools, fields.sampling(), template_kwargs(fields))


def _tools(fields: ChatFields) -> Tools:
    """Read the functions, and the choice among them, which means nothing without functions."""
    found = enumerate(listed(fields.tools, "tools"))
    tools = distinct([_tool(tool, f"tools[{i}]") for i, tool in found], "tools")
    if not tools:
        return Tools()
    functions, choice = read_choice(fields.tool_choice, tools, "tool_choice")
    return Tools(functions, choice, parallel_calls(None, choice))


def _tool(tool: Any, at: str) -> dict[str, Any]:
    kind = (tool.get("type") or "function") if isinstance(tool, dict) else None
    definition = tool.get("function") if isinstance(tool, dict) else None
    if kind is not None and kind != "function":
        raise unsupported_tool(kind, at)
    if not isinstance(definition, dict):
        allowed = "{'type': 'function', 'function': {'name': ..., 'parameters': {...}}}"
        raise wrong_value(at, allowed, tool)
    get = definition.get
    return function(
        get("name"), get("description"), get("parameters"), get("strict"), f"{at}.function"
    )
