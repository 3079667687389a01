"""Jupyter AI in JupyterLab: the persona Power, Jupyternaut with litellm, and the magics."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
import websocket
from checks import CALLER, CHAT, TOKEN, URL, check, require, run
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

POWER = "jupyter-ai-personas::a3s_power_jupyter::PowerPersona"
JUPYTERNAUT = "jupyter-ai-personas::jupyter_ai_jupyternaut::JupyternautPersona"
NOTEBOOKS = Path(os.environ["POWER_NOTEBOOKS"])

#: Seconds for an answer on a busy machine.
PATIENCE = 400


class Chat:
    """A chat in the sidebar, as the page sees it."""

    def __init__(self, path: str | None = None) -> None:
        self.path = path or f"{uuid.uuid4().hex}.chat"
        self._events = _socket("api/events/subscribe")
        self._socket = _socket(f"api/chat/ws/{quote(self.path)}")
        self.messages: dict[str, dict[str, Any]] = {}
        self.id = self._next()["id"]
        self.model: dict[str, Any] = {}
        self.usage: dict[str, Any] = {}
        self.is_processing = False

    def send(self, text: str, to: str = POWER, **fields: Any) -> None:
        metadata = {"to_persona": to, **fields.pop("metadata", {})}
        message = {"id": uuid.uuid4().hex, "body": text, "metadata": metadata, **fields}
        self._socket.send(json.dumps({"type": "client", "action": "send", **message}))

    def ask(self, text: str, to: str = POWER, **fields: Any) -> str:
        """Send a message and return the answer, when the persona has finished."""
        before = len(self.answers(to))
        self.send(text, to, **fields)
        self.wait(lambda: len(self.answers(to)) > before)
        self.settle()
        return self.answers(to)[-1]

    def answers(self, sender: str = POWER) -> list[str]:
        return [each["body"] for each in self.messages.values() if each["sender"] == sender]

    def wait(self, condition: Callable[[], bool]) -> None:
        self._socket.settimeout(0.2)
        deadline = time.monotonic() + PATIENCE
        while not condition():
            require(time.monotonic() < deadline, list(self.messages.values()))
            try:
                self._next()
            except websocket.WebSocketTimeoutException:
                self._read_events()

    def settle(self) -> None:
        """Wait until the persona does nothing and its messages have not changed for a second."""
        quiet_since = time.monotonic()
        seen = ""
        deadline = time.monotonic() + PATIENCE

        def is_quiet() -> bool:
            nonlocal quiet_since, seen
            now = json.dumps(self.messages)
            if now != seen or self.is_processing:
                seen, quiet_since = now, time.monotonic()
            require(time.monotonic() < deadline, seen)
            return time.monotonic() - quiet_since > 1

        self.wait(is_quiet)

    def stop(self) -> None:
        _post(f"api/ai/personas/cancel?chat_id={self.id}", {})

    def close(self) -> None:
        self._socket.close()
        self._events.close()

    def _next(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(self._socket.recv())
        for message in [frame["message"]] if "message" in frame else frame.get("messages", ()):
            self.messages[message["id"]] = message
        return frame

    def _read_events(self) -> None:
        self._events.settimeout(0.01)
        try:
            while True:
                self._take(json.loads(self._events.recv()))
        except websocket.WebSocketTimeoutException:
            pass

    def _take(self, event: dict[str, Any]) -> None:
        if event.get("chat_id") != self.id or event.get("persona_id") != POWER:
            return
        state = event.get("state") or event
        self.model = state.get("model") or self.model
        self.usage = state.get("usage") or self.usage
        self.is_processing = state.get("processing", self.is_processing)


def _socket(path: str) -> Any:
    address = f"ws{URL.removeprefix('http')}{path}?token={TOKEN}"
    return websocket.create_connection(address, timeout=PATIENCE)


def _post(path: str, body: Any) -> Any:
    headers = {"Authorization": f"token {TOKEN}"}
    reply = requests.post(f"{URL}{path}", json=body, headers=headers, timeout=PATIENCE)
    reply.raise_for_status()
    return reply.json() if reply.content else None


def _get(path: str) -> Any:
    headers = {"Authorization": f"token {TOKEN}"}
    return requests.get(f"{URL}{path}", headers=headers, timeout=PATIENCE).json()


@check
def power_answers_without_configuration() -> None:
    chat = Chat()
    require(chat.ask("Say hello."), "no text")
    chat.close()


@check
def power_lists_the_models_and_the_use_of_the_context() -> None:
    chat = Chat()
    chat.ask("Say hello.")
    names = [option["id"] for option in chat.model["options"]]
    require({CHAT, CALLER} <= set(names) and "embedder" not in names, names)
    require(chat.usage["context_tokens"] > 0 and chat.usage["context_size"] == 4096, chat.usage)
    chat.close()


@check
def power_streams_and_stops() -> None:
    chat = Chat()
    chat.send("Count from 1 to 1000, in words.")
    chat.wait(lambda: any(len(text) > 20 for text in chat.answers()))
    chat.stop()
    chat.settle()
    text = chat.answers()[-1]
    require(text and not _is_running(), (text, _get("v1/models")))
    require(chat.ask("Say hello."), "no text after a stop")
    chat.close()


def _is_running() -> bool:
    return any(model.get("requests_running") for model in _get("v1/models")["data"])


@check
def a_command_chooses_a_model_which_is_remembered() -> None:
    chat = Chat()
    require("/model caller" in chat.ask("/model"), chat.messages)
    require("no chat model" in chat.ask("/model nonsense"), chat.messages)
    require("caller" in chat.ask(f"/model {CALLER}"), chat.messages)
    chat.ask("Say hello.")
    require(chat.model["current"] == CALLER, chat.model)
    chat.close()
    time.sleep(1)
    again = Chat(chat.path)
    again.ask("/model")
    require(again.model["current"] == CALLER, again.model)
    again.ask("Hello", metadata={"model": {"id": CHAT, "settings": {}}})
    require(again.model["current"] == CHAT, again.model)
    again.close()


@check
def attachments_are_used() -> None:
    (NOTEBOOKS / "colour.txt").write_text("violet " * 600)
    chat = Chat()
    chat.ask("Say hello.")
    few = chat.usage["context_tokens"]
    chat.ask("Which colour?", attachments=[{"type": "file", "value": "colour.txt"}])
    require(chat.usage["context_tokens"] > few + 600, (few, chat.usage))
    answer = chat.ask("Which?", attachments=[{"type": "file", "value": "absent.txt"}])
    require("absent.txt cannot be attached" in answer, answer)
    chat.close()


@check
def a_prompt_that_does_not_fit_is_explained() -> None:
    chat = Chat()
    answer = chat.ask("word " * 6000)
    require("context" in answer and "4096" in answer, answer)
    chat.close()


@check
def jupyternaut_answers_with_a_custom_model() -> None:
    custom = {
        "id": "custom-power",
        "name": "Power",
        "model_id": "openai/wide",  # its prompt and tools take 7,800 tokens
        "params": {"api_base": f"{URL}v1", "api_key": TOKEN, "max_tokens": 32},
    }
    _post("api/jupyternaut/config", {"custom_models": [custom]})
    chat = Chat()
    metadata = {"model": {"id": "custom-power", "settings": {}}}
    answer = chat.ask("Say hello.", JUPYTERNAUT, metadata=metadata)
    require(answer and not answer.startswith("Error"), answer)
    chat.close()


@check
def the_magics_answer_through_litellm_and_the_persona() -> None:
    os.environ["OPENAI_API_KEY"] = TOKEN
    shell: Any = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "jupyter_ai_magic_commands")
    shell.run_line_magic("ai", f"alias power openai/{CHAT} --api-base {URL}v1")
    with capture_output() as captured:
        result = shell.run_cell_magic("ai", "power -f text", "Say hello.")
    require(result is not None and "Error" not in str(result), (result, captured.stderr))
    with capture_output() as captured:
        result = shell.run_cell_magic("ai", "@Power -f text", "Say hello.")
    require(result is not None and "Error" not in str(result), (result, captured.stderr))


run()
