"""What the hub says about repositories, in any form, and the cursors of its pages."""

from __future__ import annotations

import math
import queue
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from a3s_power_jupyter.contract.errors import HubError, InvalidParameter
from a3s_power_jupyter.contract.redaction import Redactor
from a3s_power_jupyter.contract.types import HubModel
from a3s_power_jupyter.hub.resolve.repository import RemoteFile, Repository
from a3s_power_jupyter.hub.search import main
from a3s_power_jupyter.hub.search.models import MAX_COUNT, model_of, stored_type
from a3s_power_jupyter.hub.search.protocol import Answered, Ask, FindToken, Search, Token
from a3s_power_jupyter.hub.search.remote_file import FIRST, RemoteStart
from a3s_power_jupyter.hub.search.searching import check_cursor, next_cursor
from support.hostile_http import mutations

RAW: dict[str, Any] = {
    "_id": "x",
    "id": "ada/Model-GGUF",
    "downloads": 12,
    "likes": 3.0,
    "gated": "manual",
    "pipeline_tag": "text-generation",
    "lastModified": "2026-01-01T00:00:00.000Z",
    "tags": ["transformers", "gguf", "license:mit", "license:other"],
    "gguf": {"total": 1000, "architecture": "llama"},
}


def test_a_repository_as_the_hub_describes_it() -> None:
    assert model_of(RAW) == HubModel(
        id="ada/Model-GGUF",
        formats=("gguf",),
        downloads=12,
        likes=3,
        task="text-generation",
        license="mit",
        gated="manual",
        updated_at=1767225600,
        parameter_count=1000,
    )


def test_the_total_of_safetensors_counts_first() -> None:
    raw = RAW | {"safetensors": {"parameters": {"BF16": 5, "F32": 1}, "total": 6}}
    model = model_of(raw)
    assert model is not None
    assert (model.formats, model.parameter_count) == (("gguf", "safetensors"), 6)
    assert stored_type(raw) == "BF16"


@pytest.mark.parametrize("name", ["\u202eEVIL", "<b>", "B" * 1000, "BF16\n", ""])
def test_only_names_of_types_are_shown_as_the_type(name: str) -> None:
    assert stored_type(RAW | {"safetensors": {"parameters": {name: 5, "F32": 1}}}) is None


def test_no_part_of_a_header_is_asked_for_after_its_time() -> None:
    class Hub:
        def range(self, _repository: object, _file: object, _start: int, length: int) -> bytes:
            return bytes(length)

    file = RemoteFile("m.gguf", 1 << 30, "https://hub/m.gguf", "e")
    start = RemoteStart(Hub(), Repository("a/b", "0" * 40), file, due=math.inf)  # type: ignore[arg-type]
    assert start.read(10) == bytes(10)
    start._due = 0.0
    start.seek(FIRST)
    with pytest.raises(HubError, match="too long") as caught:
        start.read(10)
    assert caught.value.reason == "unreachable"


def test_a_hub_that_hangs_does_not_keep_the_token_from_being_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_environment")
    monkeypatch.setattr(main, "MAX_THREADS", 0)
    replies: queue.SimpleQueue[Any] = queue.SimpleQueue()
    channel = SimpleNamespace(emit=replies.put)
    questions = main._Questions(channel, Redactor())  # type: ignore[arg-type]
    questions.start(Ask(1, Search("", "all", "downloads", 20)))
    assert replies.get(timeout=30).error["code"] == "server_busy"
    assert not questions._stops
    questions.start(Ask(2, FindToken()))
    assert replies.get(timeout=30) == Answered(2, Token("environment"))


INVALID = [
    None, [], "x", 1, {}, {"id": None}, {"id": "a"}, {"id": "a/b/c"}, {"id": "../x"},
    {"id": "a/" + "b" * 300}, {"id": "a/\u202eb"},
]  # fmt: skip


@pytest.mark.parametrize("raw", INVALID)
def test_an_entry_without_a_valid_name_is_left_out(raw: Any) -> None:
    assert model_of(raw) is None


def test_whatever_the_hub_sends_gives_a_valid_model_or_none() -> None:
    numbers = [10**400, float("nan"), float("inf"), -(2**70), MAX_COUNT + 1]
    for raw in mutations(RAW, [*numbers, None, True, "x" * 10**5, "\x1b[2J", [], {}, [[]], "a/b"]):
        model = model_of(raw)
        if model is not None:
            encoded = msgspec.json.encode(model)
            assert msgspec.json.decode(encoded, type=HubModel) == model
            assert len(encoded) < 1000
            assert b"\\u001b" not in encoded
        stored_type(raw)


@pytest.mark.parametrize(
    ("query", "cursor"),
    [
        ("limit=20&cursor=eyJhIjoxfQ%3D%3D", "eyJhIjoxfQ=="),
        ("limit=20", None),
        ("", None),
        ("cursor=" + "a" * 5000, None),
        ("cursor=http%3A%2F%2Fevil", None),
        ("cursor=same", None),
        ("&".join("a=1" for _ in range(1000)), None),
    ],
)
def test_only_the_cursor_is_taken_from_a_link(query: str, cursor: str | None) -> None:
    assert next_cursor(query, "same") == cursor


@pytest.mark.parametrize("cursor", ["http://169.254.169.254/", "a b", "", "a\n", "a" * 5000, "?x"])
def test_a_cursor_that_the_hub_cannot_have_sent_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidParameter, match="next"):
        check_cursor(cursor)


def test_fields_that_are_missing_are_unset() -> None:
    model = model_of({"id": "a/b", "gated": True})
    assert model == HubModel("a/b", (), gated="manual")
    assert model.license is UNSET
