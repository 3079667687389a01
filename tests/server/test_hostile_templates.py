"""Models with chat templates that compute without end or fill the memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.servers import events_of, run_server
from support.waiting import wait_until

ENDLESS = "{% for a in range(99999) %}" * 4 + "{% endfor %}" * 4
GREEDY = "{{ '{:>1000000000}'.format(1) }}"
FOR_BOMBS = (
    "{% for m in messages %}{% if m.content == 'bomb' %}"
    + ENDLESS
    + "{% endif %}{{ m.content }}{% endfor %}"
)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path) -> Iterator[httpx2.Client]:
    """A server with the models "bombs", which processes two requests at once, and "good"."""
    folder = tmp_path_factory.mktemp("templates")
    with run_server(folder, headless=True) as server, server.api() as api:
        register(api, smollm2_path, "good", num_ctx=2048)
        register(api, smollm2_path, "bombs", chat_template=FOR_BOMBS, num_parallel=2)
        yield api


def register(api: httpx2.Client, path: Path, name: str, **parameters: object) -> None:
    body = {"name": name, "path": str(path), "default_parameters": parameters}
    assert api.post("v1/models", json=body).status_code == 201


def chat(model: str, text: str, **options: object) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **options}


@pytest.mark.parametrize(("source", "limit"), [(ENDLESS, "CPU time"), (GREEDY, "memory")])
def test_only_chats_fail_and_other_models_answer(
    api: httpx2.Client, smollm2_path: Path, source: str, limit: str
) -> None:
    register(api, smollm2_path, limit.replace(" ", "-"), chat_template=source)
    replies: list[httpx2.Response] = []
    body = chat(limit.replace(" ", "-"), "hello")
    ask = threading.Thread(
        target=lambda: replies.append(api.post("v1/chat/completions", json=body))
    )
    ask.start()
    good = api.post("v1/chat/completions", json=chat("good", "hello", max_tokens=3))
    ask.join()
    assert good.status_code == 200
    assert replies[0].status_code == 400
    error = replies[0].json()["error"]
    assert error["code"] == "unsupported_request_fields"
    assert limit in error["message"]
    assert "default_parameters.chat_template" in error["message"]
    completion = {"model": body["model"], "prompt": "Once", "max_tokens": 3}
    assert api.post("v1/completions", json=completion).status_code == 200
    loaded = api.get(f"v1/models/{body['model']}").json()
    assert any("cannot chat" in note and limit in note for note in loaded["notes"])


def test_a_stream_of_the_same_model_goes_on(api: httpx2.Client) -> None:
    """The end-of-text tokens are suppressed, so that the stream is long enough."""
    bias = {"0": -100, "2": -100, "4": -100}
    long = chat("bombs", "Count.", stream=True, max_tokens=5000, logit_bias=bias)
    replies: list[httpx2.Response] = []

    def ask() -> None:
        replies.append(api.post("v1/chat/completions", json=chat("bombs", "bomb")))

    with api.stream("POST", "v1/chat/completions", json=long) as stream:
        events = events_of(stream)
        next(events)
        bomb = threading.Thread(target=ask)
        bomb.start()
        seen = 0
        while bomb.is_alive():
            assert "choices" in next(events)
            seen += 1
    assert seen > 20
    error = replies[0].json()["error"]
    assert (replies[0].status_code, error["code"]) == (400, "invalid_parameter")
    assert error["param"] == "messages"
    assert "CPU time" in error["message"]
    short = api.post("v1/chat/completions", json=chat("bombs", "hello", max_tokens=3))
    assert short.status_code == 200


def test_clients_that_leave_free_their_slots(api: httpx2.Client) -> None:
    assert api.post("v1/models/bombs/load", json={}).status_code == 200
    for _ in range(4):
        with pytest.raises(httpx2.ReadTimeout):
            api.post("v1/chat/completions", json=chat("bombs", "bomb"), timeout=0.5)
    wait_until(lambda: api.get("v1/models/bombs").json()["state"] == "loaded")
    short = api.post("v1/chat/completions", json=chat("bombs", "hello", max_tokens=3))
    assert short.status_code == 200
    assert api.post("v1/models/bombs/unload").status_code == 200
