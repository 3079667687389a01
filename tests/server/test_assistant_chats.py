"""Chats and presets over HTTP, on a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import nbformat
import pytest

from support.servers import Server, events_of

CHATS = "v1/assistant/chats"
PRESETS = "v1/assistant/presets"
QUESTION = {"role": "user", "content": "Which cheese is blue?"}


@pytest.fixture
def api(server: Server) -> Iterator[httpx2.Client]:
    with server.api() as client:
        yield client


def failed(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def content(revision: int, **fields: Any) -> dict[str, Any]:
    empty = {"model": "m", "parameters": {}, "messages": [], "answer": None}
    return empty | {"revision": revision} | fields


def test_a_chat_is_kept_and_exported(api: httpx2.Client) -> None:
    created = api.post(CHATS, json={"model": "m", "parameters": {"system": "Be brief."}})
    assert created.status_code == 201
    chat = created.json()
    path = f"{CHATS}/{chat['id']}"
    answer = {"content": "Stil", "page": "p", "beat": 1}
    put = api.put(path, json=content(1, messages=[QUESTION], answer=answer))
    assert put.json()["revision"] == 2
    patched = api.patch(path, json={"revision": 2, "answer": answer | {"content": "Stilton"}})
    assert patched.json()["title"] == "Which cheese is blue?"
    assert failed(api.put(path, json=content(2))) == (409, "chat_changed")
    shown = api.get(path).json()
    assert shown["answer"]["content"] == "Stilton"
    assert shown["messages"] == [QUESTION]
    assert api.put(path, json=content(3, messages=[QUESTION])).status_code == 200
    assert api.get(path).json()["answer"] is None

    api.patch(path, json={"title": "Käse: a/b"})
    assert [each["id"] for each in api.get(CHATS, params={"query": "CHEESE"}).json()["data"]] == [
        chat["id"]
    ]
    assert api.get(CHATS, params={"query": "nothing"}).json()["data"] == []
    markdown = api.get(f"{path}/export")
    assert markdown.headers["Content-Disposition"] == (
        "attachment; filename=\"K_se a b.md\"; filename*=UTF-8''K%C3%A4se%20a%20b.md"
    )
    assert markdown.text.startswith("# Käse: a/b\n")
    nbformat.validate(api.get(f"{path}/export", params={"format": "notebook"}).json())
    assert api.get(f"{path}/export", params={"format": "json"}).json() == api.get(path).json()
    assert failed(api.get(f"{path}/export", params={"format": "pdf"})) == (400, "invalid_parameter")

    assert api.delete(path).json() == {"deleted": True, "id": chat["id"], "object": "chat"}
    assert failed(api.get(path)) == (404, "chat_not_found")


def test_mistakes_are_explained(api: httpx2.Client, server: Server) -> None:
    for bad in ({"id": "../x"}, {"messages": "x"}, {"title": "x" * 201}, {"other": 1}):
        assert failed(api.post(CHATS, json=bad)) == (400, "invalid_parameter")
    path = f"{CHATS}/{api.post(CHATS).json()['id']}"
    for bad in ({}, {"answer": {}}, {"revision": 1}):
        assert failed(api.patch(path, json=bad)) == (400, "invalid_parameter")
    assert failed(api.get(f"{CHATS}/..%2Fpresets")) == (404, "chat_not_found")
    assert failed(api.get(CHATS, params={"query": "x" * 201})) == (400, "invalid_parameter")
    with httpx2.Client(base_url=server.url) as stranger:
        assert stranger.get(CHATS).status_code == 401


def test_presets_are_kept(api: httpx2.Client) -> None:
    put = api.put(f"{PRESETS}/Brief%2Fexact", json={"parameters": {"temperature": 0}})
    assert put.json() == {"name": "Brief/exact", "parameters": {"temperature": 0}}
    assert api.get(PRESETS).json()["data"] == [put.json()]
    assert api.delete(f"{PRESETS}/Brief%2Fexact").json()["deleted"]
    assert failed(api.delete(f"{PRESETS}/Brief%2Fexact")) == (404, "preset_not_found")
    assert failed(api.put(f"{PRESETS}/a", json={})) == (400, "invalid_parameter")


def test_changes_are_events(api: httpx2.Client, server: Server) -> None:
    with server.api() as following, following.stream("GET", "v1/events") as response:
        events = events_of(response)
        assert next(events)["type"] == "snapshot"
        chat = api.post(CHATS, json={"title": "a"}).json()
        api.put(f"{PRESETS}/b", json={"parameters": {}})
        api.delete(f"{CHATS}/{chat['id']}")
        ours = []
        while len(ours) < 3:
            event = next(events)
            if event["type"] in ("chat", "chat_deleted", "presets"):
                ours.append(event)
    api.delete(f"{PRESETS}/b")
    types = [event["type"] for event in ours]
    assert types == ["chat", "presets", "chat_deleted"]
    assert ours[0]["chat"] == chat
    assert ours[2]["id"] == chat["id"]
    json.dumps(ours)
