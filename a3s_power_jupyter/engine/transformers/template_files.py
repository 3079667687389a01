"""Leave out files of chat templates that transformers cannot read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...store.formats.chat_templates import TEMPLATES
from ...store.formats.json_file import read_optional_object

_SETTINGS = ("tokenizer_config.json", "chat_template.json")


def drop_unreadable_templates(directory: Path) -> str:
    """Remove chat templates with which transformers would not load the tokenizer.

    Only a chat needs them.

    Parameters
    ----------
    directory : Path
        Links to the files of the model. Those with such templates are removed or replaced.

    Returns
    -------
    str
        What is wrong with the templates; empty if transformers can read all of them.
    """
    problems = []
    for path in [directory / "chat_template.jinja", *(directory / TEMPLATES).glob("*.jinja")]:
        if path.exists() and not _is_text(path):
            path.unlink()
            problems.append(f"{path.relative_to(directory).as_posix()} is not UTF-8 text")
    for name in _SETTINGS:
        settings = read_optional_object(directory / name)
        if not _is_readable(settings.pop("chat_template", None)):
            (directory / name).unlink()
            (directory / name).write_text(json.dumps(settings), encoding="utf-8")
            problems.append(f"chat_template in {name} has an entry without name and template")
    return f"The chat template cannot be read: {problems[0]}." if problems else ""


def _is_text(path: Path) -> bool:
    try:
        path.read_text("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_readable(templates: Any) -> bool:
    return not isinstance(templates, list) or all(
        isinstance(entry, dict) and {"name", "template"} <= entry.keys() for entry in templates
    )
