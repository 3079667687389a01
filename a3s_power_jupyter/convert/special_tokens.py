"""Write a tokenizer's special tokens and chat template to GGUF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf

from ..store.formats.chat_templates import TEMPLATES
from ..store.formats.json_file import read_optional_object
from .exceptions import CannotConvert
from .reference_tokenizer import ReferenceTokenizer


def write_special_tokens(
    directory: Path, writer: gguf.GGUFWriter, tokenizer: ReferenceTokenizer
) -> None:
    """Write the special tokens, whether they are added to every text, and the chat templates.

    Raises
    ------
    CannotConvert
        If the tokenizer adds tokens other than bos and eos, which llama.cpp cannot do.
    """
    settings = read_optional_object(directory / "tokenizer_config.json")
    config = read_optional_object(directory / "config.json")
    ids = {
        kind: _token_id(settings, config, tokenizer, kind) for kind in ("bos", "eos", "unk", "pad")
    }
    for kind, add in (
        ("bos", writer.add_bos_token_id),
        ("eos", writer.add_eos_token_id),
        ("unk", writer.add_unk_token_id),
        ("pad", writer.add_pad_token_id),
    ):
        if ids[kind] is not None:
            add(ids[kind])
    _write_added_tokens(settings, tokenizer, writer, ids)
    _write_ends(directory, writer, ids["eos"])
    templates = chat_templates(directory)
    if templates:
        writer.add_chat_template([{"name": k, "template": v} for k, v in templates.items()])


def chat_templates(directory: Path) -> dict[str, str]:
    """Return the model's chat templates by their names; one without a name is "default"."""
    main, others = directory / "chat_template.jinja", directory / TEMPLATES
    files = {path.stem: path for path in sorted(others.glob("*.jinja"))}
    if main.exists():
        files["default"] = main
    if files:
        return {name: path.read_text("utf-8") for name, path in files.items()}
    for name in ("chat_template.json", "tokenizer_config.json"):
        found = read_optional_object(directory / name).get("chat_template")
        if isinstance(found, str):
            found = [{"name": "default", "template": found}]
        if isinstance(found, list):
            entries = [entry for entry in found if isinstance(entry, dict)]
            named = {entry.get("name"): entry.get("template") for entry in entries}
            return {str(k): v for k, v in named.items() if k and isinstance(v, str)}
    return {}


def _token_id(
    settings: dict[str, Any], config: dict[str, Any], tokenizer: ReferenceTokenizer, kind: str
) -> int | None:
    """Look up a special token by its text in tokenizer_config.json, or in config.json."""
    token = settings.get(f"{kind}_token")
    if isinstance(token, dict):
        token = token.get("content")
    if isinstance(token, str):
        return tokenizer.token_id(token)
    value = config.get(f"{kind}_token_id")
    if isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _write_added_tokens(
    settings: dict[str, Any],
    tokenizer: ReferenceTokenizer,
    writer: gguf.GGUFWriter,
    ids: dict[str, int | None],
) -> None:
    before, after = tokenizer.added_tokens(settings)
    if before not in ([], [ids["bos"]]) or after not in ([], [ids["eos"]]):
        raise CannotConvert("its tokenizer adds tokens other than bos and eos to a text")
    writer.add_add_bos_token(bool(before))
    writer.add_add_eos_token(bool(after))


def end_tokens(directory: Path) -> list[int]:
    """Return the ids of the tokens that end a generation, in addition to the tokenizer's own."""
    found: list[Any] = []
    for name in ("generation_config.json", "config.json"):
        ids = read_optional_object(directory / name).get("eos_token_id")
        found += ids if isinstance(ids, list) else [ids]
    valid = (id_ for id_ in found if isinstance(id_, int) and not isinstance(id_, bool))
    return [id_ for id_ in dict.fromkeys(valid) if id_ >= 0]


def _write_ends(directory: Path, writer: gguf.GGUFWriter, eos: int | None) -> None:
    """Write the tokens other than eos that end a generation.

    GGUF has keys for two of them. llama.cpp finds others by their text; `verify_tokens` checks that
    it knows all of them.
    """
    others = [id_ for id_ in end_tokens(directory) if id_ != eos]
    for id_, add in zip(others, (writer.add_eot_token_id, writer.add_eom_token_id), strict=False):
        add(id_)
