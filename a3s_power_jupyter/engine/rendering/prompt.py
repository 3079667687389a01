"""Render the prompt of a request, and learn what is needed for that."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, get_args

from msgspec.structs import replace

from ..chat.format import ChatFormat
from ..chat.learning import learn as learn_format
from .contents import Message
from .messages import adapt, in_parts
from .prefill import continued
from .protocol import Checked, Learnt, RenderOptions, Template, ToolsAs, Traits
from .sandbox import TemplateFailed, run
from .tool_schemas import Tool, simplified
from .traits import find_traits

#: Most characters of a prompt for a made-up chat.
MAX_PROBE = 2**20

_PROBE = "a3s-power-probe"


def prompt(
    template: Template, messages: list[Message], options: RenderOptions, max_chars: int
) -> str:
    """Return the prompt of a request.

    Raises
    ------
    TemplateFailed
        If the template is not valid, rejects the messages, or exceeds a limit.
    """

    def render(messages: list[Message], add_generation_prompt: bool) -> str:
        messages, tools = adapt(messages, options, template)
        own = RenderOptions(
            tools=tools,
            template_kwargs=_kwargs(options.template_kwargs, template.format),
            add_generation_prompt=add_generation_prompt,
        )
        try:
            return _render(template, messages, own, max_chars)
        except TemplateFailed as error:
            if not tools or error.failure == "too_long":
                raise
            # Many templates fail for schemas with alternatives or without types.
            own = replace(own, tools=[simplified(tool) for tool in tools])
            try:
                return _render(template, messages, own, max_chars)
            except TemplateFailed:
                raise error from None

    if not options.continue_final_message:
        return render(messages, options.add_generation_prompt)
    last = messages[-1] if messages else {"role": ""}
    if last["role"] != "assistant" or last.get("tool_calls"):
        raise TemplateFailed(
            "rejected",
            "Only a last message of the assistant without calls can be continued "
            "(continue_final_message).",
        )
    return continued(render, messages, template.format.reasoning)


def _render(
    template: Template, messages: list[Message], options: RenderOptions, max_chars: int
) -> str:
    """Render messages that need no further changes."""
    tools_as = template.traits.tools_as
    variables = {
        **(_as_variables(options.tools) if tools_as == "text" else {}),
        **options.template_kwargs,
        "messages": [*map(dict, messages)],  # a template may change them
        "tools": options.tools or (None if tools_as == "null" else []),
        "add_generation_prompt": options.add_generation_prompt,
        "bos_token": template.bos_token,
        "eos_token": template.eos_token,
    }
    return run(template.source, variables, max_chars)


def _as_variables(tools: list[Tool]) -> dict[str, str]:
    """Return the variables of templates for Firefunction v2."""
    return {
        "functions": json.dumps(tools, ensure_ascii=False, indent=4),
        "datetime": datetime.now().strftime("%B %d %Y"),
    }


def _kwargs(kwargs: dict[str, Any], format_: ChatFormat) -> dict[str, Any]:
    """Return the variables, and the template's own name for whether the model thinks."""
    switch = "" if format_.reasoning is None else format_.reasoning.switch
    if not switch or switch in kwargs:
        return kwargs
    for name in ("enable_thinking", "thinking"):
        if name in kwargs:
            return {**kwargs, switch: kwargs[name]}
    return {**kwargs, switch: False} if kwargs.get("reasoning_effort") == "none" else kwargs


def check(template: Template) -> Checked:
    """Compile a template and find out which kinds of content it renders.

    Raises
    ------
    TemplateFailed
        If the template is not valid, or exceeds a limit with a short message.
    """
    for tools_as in get_args(ToolsAs):
        traits = _content_traits(replace(template, traits=Traits(tools_as=tools_as)))
        if traits.text or traits.parts:
            return Checked(replace(traits, tools_as=tools_as))
    return Checked(Traits(text=False), problem=_rejection(template))


def _rejection(template: Template) -> str:
    """Return why a template rejects a short message; empty if it leaves the message out."""
    try:
        _render(template, [{"role": "user", "content": _PROBE}], RenderOptions(), MAX_PROBE)
    except TemplateFailed as error:
        return error.message
    return ""


def _content_traits(template: Template) -> Traits:
    return Traits(
        text=_PROBE in _probed(template, _PROBE),
        # A template for strings prints a list of parts verbatim, including its keys.
        parts=_is_text(_probed(template, [{"type": "text", "text": _PROBE}])),
    )


def _is_text(prompt: str) -> bool:
    return _PROBE in prompt and "'text'" not in prompt


def _probed(template: Template, content: Any) -> str:
    """Return the prompt for a short message, or "" if the template rejects it."""
    try:
        return _render(template, [{"role": "user", "content": content}], RenderOptions(), MAX_PROBE)
    except TemplateFailed as error:
        if error.failure == "rejected":
            return ""
        if error.failure == "too_long":
            problem = f"returned more than {MAX_PROBE:,} characters"
            raise TemplateFailed("stopped", problem) from None
        raise


def learn(template: Template) -> Learnt:
    """Learn the syntax of the model's answers, and which messages the template renders.

    Parameters
    ----------
    template : Template
        With the traits of its content.
    """

    def render(messages: list[Message], options: RenderOptions) -> str:
        if template.traits.parts and not template.traits.text:
            messages = in_parts(messages)
        return _render(template, messages, options, MAX_PROBE)

    format_ = learn_format(render, template.source)
    return Learnt(find_traits(render, replace(template, format=format_)), format_)
