"""Notebook Intelligence with its provider "OpenAI Compatible": chat and inline completion."""

from __future__ import annotations

import json
import uuid
from typing import Any

import requests
import websocket
from checks import CHAT, TOKEN, URL, check, require, run

#: Seconds for an answer on a busy machine.
PATIENCE = 120


def _model(name: str) -> dict[str, Any]:
    values = {"api_key": TOKEN, "model_id": CHAT, "base_url": f"{URL}v1", "context_window": "4096"}
    properties = [{"id": key, "value": value} for key, value in values.items()]
    return {
        "provider": "openai-compatible",
        "model": f"openai-compatible-{name}-model",
        "properties": properties,
    }


def _configure() -> None:
    body = {"chat_model": _model("chat"), "inline_completion_model": _model("inline-completion")}
    headers = {"Authorization": f"token {TOKEN}"}
    address = f"{URL}notebook-intelligence/config"
    requests.post(address, json=body, headers=headers, timeout=PATIENCE).raise_for_status()


def _answer(kind: str, data: dict[str, Any]) -> str:
    """Send a request as the page does, and return the texts of the reply."""
    address = f"ws{URL.removeprefix('http')}notebook-intelligence/copilot?token={TOKEN}"
    socket = websocket.create_connection(address, timeout=PATIENCE)
    request = {"id": uuid.uuid4().hex, "type": kind, "data": {"chatId": uuid.uuid4().hex, **data}}
    socket.send(json.dumps(request))
    texts = []
    while True:
        message = json.loads(socket.recv())
        if message.get("id") != request["id"]:
            continue
        if message["type"] == "stream-end":
            socket.close()
            return "".join(texts)
        content = message["data"]
        if "completions" in content:
            texts.append(content["completions"])
        for choice in content.get("choices") or ():
            delta = choice.get("delta") or {}
            nested = delta.get("nbiContent") or {}
            texts.append(str(nested.get("content") or delta.get("content") or ""))


def _setup_once() -> None:
    _configure()


@check
def chat_answers() -> None:
    _setup_once()
    data = {"prompt": "Say hello.", "language": "python", "filename": "", "chatMode": "ask"}
    text = _answer("chat-request", data)
    require(text and "rror" not in text, text)


@check
def inline_completion_answers() -> None:
    data = {
        "prefix": "def add(a, b):\n    return ",
        "suffix": "\n",
        "language": "python",
        "filename": "Untitled.ipynb",
    }
    require(_answer("inline-completion-request", data), "no completion")


run()
