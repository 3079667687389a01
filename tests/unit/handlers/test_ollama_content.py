"""Requests of Ollama's API without content, which only load a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.handlers.ollama.chat import read_chat
from a3s_power_jupyter.handlers.ollama.embed import read_embed, read_embeddings
from a3s_power_jupyter.handlers.ollama.generate import read_generate

Read = Callable[[dict[str, Any]], Any]

ROUTES: list[tuple[Read, str]] = [
    (read_chat, "messages"),
    (read_generate, "prompt"),
    (read_embed, "input"),
    (read_embeddings, "prompt"),
]


@pytest.mark.parametrize(("read", "name"), ROUTES)
def test_misspelled_content_is_refused(read: Read, name: str) -> None:
    with pytest.raises(InvalidParameter, match=f"is missing. Check the .* '{name[:-1]}'") as caught:
        read({"model": "m", name[:-1]: ["a"]})
    assert caught.value.param == name


@pytest.mark.parametrize(("read", "name"), ROUTES)
@pytest.mark.parametrize("other", ["messages", "prompt", "input"])
def test_content_of_another_route_is_refused(read: Read, name: str, other: str) -> None:
    if other == name:
        return
    with pytest.raises(InvalidParameter, match=f"{other!r} is a field of another route") as caught:
        read({"model": "m", other: ["a"]})
    assert caught.value.param == name
    read({"model": "m", other: ""})


@pytest.mark.parametrize(("read", "name"), ROUTES)
def test_a_request_that_loads_a_model_is_read(read: Read, name: str) -> None:
    read({"model": "m"})
    read({"model": "m", name: []} if name == "messages" else {"model": "m", name: ""})
    read({"model": "m", "keep_alive": 0, "options": {}, "truncate": True, "insecure": True})
    read(
        {
            "model": "m",
            name[:-1]: None,
            "images": [],
            "suffix": "",
            "system": "",
            "format": "",
            "think": None,
        }
    )
