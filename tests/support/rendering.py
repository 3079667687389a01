"""Render chat templates in the test's process, as the rendering process does."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from a3s_power_jupyter.engine.chat.format import ChatFormat
from a3s_power_jupyter.engine.rendering.prompt import check, prompt
from a3s_power_jupyter.engine.rendering.protocol import RenderOptions, Template
from a3s_power_jupyter.engine.rendering.sandbox import run
from a3s_power_jupyter.engine.rendering.traits import find_traits

_UNKNOWN = ChatFormat()

#: Roles and texts, with a line for each message, and the beginning of an answer.
LINES = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)

#: Raises at the code that follows it unless the roles alternate.
ALTERNATING = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{% endfor %}"
)


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any, **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **fields}


def system(content: Any) -> dict[str, Any]:
    return {"role": "system", "content": content}


def learnt(source: str, format_: ChatFormat = _UNKNOWN) -> Template:
    """Return a template with the traits that are found by rendering it."""
    template = Template(source, bos_token="<s>", eos_token="</s>", format=format_)
    template = replace(template, traits=check(template).traits)

    def render(messages: list[dict[str, Any]], options: RenderOptions) -> str:
        variables = {
            "messages": messages,
            "tools": options.tools or None,
            "add_generation_prompt": options.add_generation_prompt,
        }
        return run(template.source, variables, 10**4)

    return replace(template, traits=find_traits(render, template))


def prompt_of(template: Template | str, messages: list[dict[str, Any]], **options: Any) -> str:
    """Return the prompt of a request."""
    if isinstance(template, str):
        template = learnt(template)
    return prompt(template, messages, RenderOptions(**options), 10**5)
