"""Special tokens and the chat template, from the files beside a tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf

from .exceptions import CannotConvert
from .reference_tokenizer import Reference


def write_special(directory: Path, writer: gguf.GGUFWriter, reference: Reference) -> None:
    """Write which tokens begin, end and fill a text, and how a chat becomes one.

    Raises
    ------
    CannotConvert
        The tokenizer frames texts as llama.cpp cannot.
    """
    settings = read_json(directory / "tokenizer_config.json")
    config = read_json(directory / "config.json")
    ids = {kind: _id(settings, config, reference, kind) for kind in ("bos", "eos", "unk", "pad")}
    for kind, add in (
        ("bos", writer.add_bos_token_id),
        ("eos", writer.add_eos_token_id),
        ("unk", writer.add_unk_token_id),
        ("pad", writer.add_pad_token_id),
    ):
        if ids[kind] is not None:
            add(ids[kind])
    _write_frame(settings, reference, writer, ids)
    _write_turn_end(directory, config, writer, ids["eos"])
    template = chat_template(directory)
    if template is not None:
        writer.add_chat_template(template)


def chat_template(directory: Path) -> str | None:
    """The model's chat template; of several, the one called "default"."""
    if (directory / "chat_template.jinja").exists():
        return (directory / "chat_template.jinja").read_text("utf-8")
    for name in ("chat_template.json", "tokenizer_config.json"):
        template = read_json(directory / name).get("chat_template")
        if isinstance(template, str):
            return template
        if isinstance(template, list):
            named = {t.get("name"): t.get("template") for t in template if isinstance(t, dict)}
            found = named.get("default")
            return found if isinstance(found, str) else None
    return None


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one where there is no file."""
    if not path.exists():
        return {}
    value = json.loads(path.read_text("utf-8"))
    if not isinstance(value, dict):
        raise CannotConvert(f"{path.name} is no JSON object")
    return value


def _id(
    settings: dict[str, Any], config: dict[str, Any], reference: Reference, kind: str
) -> int | None:
    """The id of a special token: by its text in tokenizer_config.json, else by config.json."""
    token = settings.get(f"{kind}_token")
    if isinstance(token, dict):
        token = token.get("content")
    if isinstance(token, str):
        return reference.id_of(token)
    value = config.get(f"{kind}_token_id")
    if isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _write_frame(
    settings: dict[str, Any],
    reference: Reference,
    writer: gguf.GGUFWriter,
    ids: dict[str, int | None],
) -> None:
    before, behind = reference.frame(settings)
    if before not in ([], [ids["bos"]]) or behind not in ([], [ids["eos"]]):
        raise CannotConvert("its tokenizer puts other tokens around a text than begin and end")
    writer.add_add_bos_token(bool(before))
    writer.add_add_eos_token(bool(behind))


def _write_turn_end(
    directory: Path, config: dict[str, Any], writer: gguf.GGUFWriter, eos: int | None
) -> None:
    """The token that ends a turn, where generation ends at more tokens than `eos`."""
    generation = read_json(directory / "generation_config.json")
    ends = generation.get("eos_token_id", config.get("eos_token_id"))
    more = [end for end in ends if end != eos] if isinstance(ends, list) else []
    if isinstance(ends, int) and ends != eos:
        more = [ends]
    if more and isinstance(more[0], int):
        writer.add_eot_token_id(more[0])
