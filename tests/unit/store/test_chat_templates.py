"""What models support, by the text of their chat templates."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import Capability, RegisterRequest
from a3s_power_jupyter.store.formats.chat_templates import capabilities_of
from a3s_power_jupyter.store.formats.description import Description
from a3s_power_jupyter.store.formats.gguf_model import describe_gguf
from a3s_power_jupyter.store.formats.model_directory import describe_directory
from support.model_files import LLAMA, gguf, model_directory

PLAIN = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
TOOLS = "{% if tools %}{{ tools | tojson }}{% endif %}" + PLAIN
THINKS = PLAIN + "{% if enable_thinking %}<think>{% endif %}"


@pytest.mark.parametrize(
    ("template", "more"),
    [
        (PLAIN, set()),
        (TOOLS, {"tools"}),
        ("{%- for tool in tools -%}{{ tool.function.name }}{%- endfor -%}", {"tools"}),
        ("{% set t = tools if tools is defined else [] %}", {"tools"}),
        ("Use your tools. {# tools #}", set()),
        ("{{ 'tools' }}", set()),
        ("{{ message.tools }}{{ message['tools'] }}", set()),
        ("{{ my_tools }}", set()),
        ("{% raw %}{{ tools }}{% endraw %}", set()),
        ("{% generation %}{{ tools }}{% endgeneration %}", {"tools"}),
        (THINKS, {"reasoning"}),
        ("{{ message.reasoning_content }}", {"reasoning"}),
        ("{{ message['reasoning_content'] }}", {"reasoning"}),
        ("{{ '<think>\n' }}", {"reasoning"}),
        ("[THINK]", {"reasoning"}),
        ("Effort: {{ reasoning_effort }}", {"reasoning"}),
        ("{{ content.split('</think>')[-1] }}", set()),
        ("{# enable_thinking #}", set()),
        (TOOLS + THINKS, {"tools", "reasoning"}),
        ("{{ tools }} {{ 'an open string }}", set()),
        ("", set()),
    ],
)
def test_capabilities_of_a_template(template: str, more: set[Capability]) -> None:
    assert capabilities_of([template]) == {"chat"} | more


def test_the_capabilities_of_several_templates_add_up() -> None:
    assert capabilities_of([TOOLS, THINKS]) == {"chat", "tools", "reasoning"}
    assert capabilities_of([]) == set()


@pytest.mark.parametrize("part", ["{{ tools }} ", "{{", "{% '", "'", "{#", "{{ a.", "{% raw %}"])
def test_a_long_template_is_read_to_a_limit(part: str) -> None:
    assert "chat" in capabilities_of([part * (2**22 // len(part))])


@pytest.mark.parametrize("key", ["tokenizer.chat_template", "tokenizer.chat_template.tool_use"])
def test_gguf(tmp_path: Path, key: str) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf(LLAMA | {"tokenizer.chat_template": THINKS} | {key: TOOLS + THINKS}))
    expected = ("completion", "chat", "embeddings", "tools", "reasoning")
    assert describe_gguf(path).capabilities == expected


def templates_in_list(path: Path) -> None:
    named = [{"name": "default", "template": PLAIN}, {"name": "tool_use", "template": TOOLS}]
    (path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))


def template_of_a_processor(path: Path) -> None:
    (path / "chat_template.json").write_text(json.dumps({"chat_template": TOOLS}))


def template_in_a_file(path: Path) -> None:
    (path / "chat_template.jinja").write_text(TOOLS)


def templates_in_a_folder(path: Path) -> None:
    (path / "chat_template.jinja").write_text(PLAIN)
    (path / "additional_chat_templates").mkdir()
    (path / "additional_chat_templates/tool_use.jinja").write_text(TOOLS)


@pytest.mark.parametrize(
    "write",
    [templates_in_list, template_of_a_processor, template_in_a_file, templates_in_a_folder],
)
def test_directories(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = model_directory(tmp_path / "m")
    assert describe_directory(path, None).capabilities == ("completion", "chat")
    write(path)
    assert describe_directory(path, None).capabilities == ("completion", "chat", "tools")


def test_a_directory_without_a_template(tmp_path: Path) -> None:
    path = model_directory(tmp_path / "m")
    (path / "tokenizer_config.json").write_text("{}")
    assert describe_directory(path, None).capabilities == ("completion",)


@pytest.mark.parametrize(
    ("template", "capabilities"),
    [
        (PLAIN, ("completion", "chat", "embeddings")),
        (TOOLS, ("completion", "chat", "embeddings", "tools")),
    ],
)
def test_a_template_in_the_parameters_replaces_that_of_the_model(
    tmp_path: Path, template: str, capabilities: tuple[Capability, ...]
) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf(LLAMA | {"tokenizer.chat_template": THINKS}))
    assert registered(describe_gguf(path), template) == capabilities


def test_a_template_gives_an_embedding_model_no_chat(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf(LLAMA | {"llama.pooling_type": 1}))
    assert registered(describe_gguf(path), TOOLS) == ("embeddings",)


def registered(description: Description, template: str) -> tuple[Capability, ...]:
    request = RegisterRequest("m", path="/m")
    return description.manifest(request, DefaultParameters(chat_template=template)).capabilities
