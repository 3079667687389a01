"""Find out from the text of chat templates what their model supports.

Templates are not run here. Once a model is loaded, its worker knows better
(`engine.chat.learning`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, TemplateSyntaxError

from ...contract.types import Capability
from ..files import chunks, source_file
from .json_file import read_optional_object

#: Folder of further templates, beside ``chat_template.jinja``.
TEMPLATES = "additional_chat_templates"

_MAIN = "chat_template.jinja"
_SETTINGS = ("chat_template.json", "tokenizer_config.json")

#: Characters and bytes that are read of a template, which take about a second at most. The longest
#: known ones have 40,000.
MAX_TEMPLATE = 2**18

#: Variables and fields of messages that only templates of models with thoughts have.
_REASONING = {
    "enable_thinking",
    "reasoning_content",
    "reasoning_effort",
    "thinking",
    "thinking_budget",
    "thinking_mode",
}
#: Tags of thoughts. Templates that only remove thoughts have the closing ones.
_TAGS = ("<think>", "[THINK]", "<|START_THINKING|>")


def read_templates(files: Mapping[str, Path]) -> list[str]:
    """Return the chat templates of a model directory, the one for most chats first.

    Parameters
    ----------
    files : mapping
        Paths of the model's files by their names in the directory.

    Raises
    ------
    InvalidModelDirectory
        If a file is not a JSON object.
    PathUnreadable, FileChanged
        If a file cannot be read, or changes while it is read.
    """
    named = {name: path for name, path in files.items() if name.startswith(f"{TEMPLATES}/")}
    texts = [_text(files[_MAIN])] if _MAIN in files else []
    texts += [_text(path) for name, path in sorted(named.items()) if name.endswith(".jinja")]
    for name in _SETTINGS:
        if name in files:
            texts += _in_settings(read_optional_object(files[name]).get("chat_template"))
    return texts


def template_files(directory: Path) -> dict[str, Path]:
    """Return the files in a directory that may have templates, by name."""
    names = [name for name in (_MAIN, *_SETTINGS) if (directory / name).exists()]
    if (directory / TEMPLATES).is_dir():
        names += [f"{TEMPLATES}/{path.name}" for path in (directory / TEMPLATES).glob("*.jinja")]
    return {name: directory / name for name in names}


def capabilities_of(templates: Iterable[str]) -> set[Capability]:
    """Return the capabilities that a model has because of its chat templates.

    These are ``chat``, ``tools`` if a template uses the variable `tools`, and ``reasoning`` if one
    has a variable or a tag of thoughts.
    """
    found: set[Capability] = set()
    for template in templates:
        found.add("chat")
        found |= _capabilities(template[:MAX_TEMPLATE])
    return found


def _capabilities(template: str) -> set[Capability]:
    found: set[Capability] = set()
    before = ""
    try:
        for _line, kind, text in Environment(autoescape=True).lex(template):
            if kind == "name" and text == "tools" and before != ".":
                found.add("tools")
            is_name = kind == "name" and text in _REASONING
            is_field = kind == "string" and text[1:-1] in _REASONING
            has_tag = kind in ("string", "data") and any(tag in text for tag in _TAGS)
            if is_name or is_field or has_tag:
                found.add("reasoning")
            if kind != "whitespace":
                before = text
    except TemplateSyntaxError:
        return set()  # a load says so
    return found


def _text(path: Path) -> str:
    text = bytearray()
    for chunk in chunks(source_file(path)):
        text += chunk
        if len(text) > MAX_TEMPLATE:
            break
    return text.decode("utf-8", "replace")


def _in_settings(value: Any) -> list[str]:
    """Return a template, or those of a list with names."""
    if isinstance(value, str):
        return [value] if value else []
    if not isinstance(value, list):
        return []
    texts = [entry.get("template") for entry in value if isinstance(entry, dict)]
    return [text for text in texts if isinstance(text, str)]
