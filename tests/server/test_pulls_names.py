"""Test a model that has a file name with spaces, brackets and accents on the hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from support.hub_server import HubServer, run_hub
from support.server_pulls import pull
from support.servers import Server, run_server

FILE = "SmolLM2 (modèle), [v1] a+b #1 100% ok?-Q4_1.gguf"
NAME = "tests/Odd/SmolLM2-modele-v1-a+b-1-100-ok-Q4_1-91c9515f.gguf"
QUESTION = "What is the capital city of France? Answer in one short English sentence."


@pytest.fixture(scope="module")
def hub(smollm2_path: Path) -> Iterator[HubServer]:
    with run_hub() as running:
        running.add("tests/Odd", {FILE: smollm2_path})
        yield running


@pytest.fixture(scope="module")
def server(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environ = {"HF_ENDPOINT": hub.url, "HF_TOKEN": ""}
    with run_server(tmp_path_factory.mktemp("odd"), headless=True, environ=environ) as running:
        yield running


def test_from_the_hub_to_an_answer(hub: HubServer, server: Server) -> None:
    events = pull(server, f"tests/Odd/{FILE}")
    assert events[-1]["id"] == NAME
    [planned] = [event for event in events if event["status"] == "planned"]
    assert f"The model is called {NAME}," in planned["note"]
    for same in (NAME, f"{hub.url}/tests/Odd/resolve/main/{quote(FILE)}?download=true"):
        assert pull(server, same) == [{"status": "already_exists", "name": NAME}]
    with server.api() as api:
        for same in (NAME, f"tests/Odd/{FILE}"):
            status = api.get(f"v1/models/pull/{quote(same, safe='')}/status").json()
            assert (status["name"], status["status"]) == (NAME, "done")
        assert api.get(f"v1/models/{NAME}").json()["source"]["reference"] == NAME
        messages = [{"role": "user", "content": QUESTION}]
        body = {"model": NAME, "messages": messages, "temperature": 0, "max_tokens": 24}
        answer = api.post("v1/chat/completions", json=body).json()
    assert "Paris" in answer["choices"][0]["message"]["content"]
