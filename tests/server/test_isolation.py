"""A good stream beside each kind of bad request for the same model, in real worker processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import psutil
import pytest

from support import nan_models
from support.nan_models import EXTRA, GOOD_TOKENS, NAN_TOKEN
from support.servers import Server, events_of, run_server, unread_post
from support.waiting import wait_until

#: A text that llama.cpp tokenizes for seconds. It has fewer bytes than `REAL_CTX` tokens can hold,
#: but more tokens.
SLOW_TEXT = "<|im_start|>" * 27_000
REAL_CTX = 4096


@dataclass(frozen=True)
class Model:
    """A model with a good request.

    Attributes
    ----------
    eos : int
        Token that the good request suppresses, so that its stream is long.
    """

    name: str
    prompt: str | list[int]
    max_tokens: int
    eos: tuple[int, ...]

    @property
    def good(self) -> dict[str, Any]:
        bias = {str(token): -100 for token in self.eos}
        return {
            "model": self.name, "prompt": self.prompt, "max_tokens": self.max_tokens,
            "temperature": 0, "logit_bias": bias, "stream": True,
        }  # fmt: skip


REAL = Model("smollm2", "Count from one to one hundred: one, two,", 80, (0, 2, 4))
GGUF = Model("tiny-gguf", GOOD_TOKENS, 200, (2, NAN_TOKEN))
SAFETENSORS = Model("tiny-safetensors", GOOD_TOKENS, 200, (2, NAN_TOKEN))
TINY = (GGUF, SAFETENSORS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("isolation")
    with run_server(folder, headless=True) as server, server.api() as api:
        register(api, REAL.name, smollm2_path, num_parallel=3, num_ctx=REAL_CTX)
        register(api, GGUF.name, nan_models.make_gguf(folder / "gguf"), num_parallel=3)
        directory = nan_models.make_safetensors(folder / "safetensors")
        nan_models.add_token(directory)
        register(api, SAFETENSORS.name, directory, isq="none")
        encoder = nan_models.make_encoder(folder / "embedding")
        nan_models.add_token(encoder)
        register(api, "tiny-embedding", encoder)
        yield server


def register(api: httpx2.Client, name: str, path: Path, **parameters: object) -> None:
    body = {"name": name, "path": str(path), "default_parameters": parameters}
    reply = api.post("v1/models", json=body)
    assert reply.status_code == 201, reply.text


@pytest.fixture
def api(server: Server) -> Iterator[httpx2.Client]:
    with server.api() as api:
        yield api


@pytest.fixture(scope="module")
def answers(server: Server) -> dict[str, str]:
    """The answer to the good request of each model, without any other request."""
    with server.api() as api:
        return {model.name: read(api, model) for model in (REAL, *TINY)}


def read(api: httpx2.Client, model: Model) -> str:
    with api.stream("POST", "v1/completions", json=model.good) as reply:
        assert reply.status_code == 200
        return "".join(map(text_of, events_of(reply)))


def text_of(event: dict[str, Any]) -> str:
    assert "choices" in event, event
    return "".join(choice["text"] for choice in event["choices"])


def workers(server: Server) -> set[int]:
    children = psutil.Process(server.pid).children()
    return {c.pid for c in children if "a3s_power_jupyter.engine.main" in c.cmdline()}


def completion(**fields: object) -> dict[str, Any]:
    return {"prompt": "a", "max_tokens": 20, **fields}


def chat(content: object, **fields: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}], "max_tokens": 20, **fields}


def schema(schema: dict[str, Any]) -> dict[str, Any]:
    return chat("a", response_format={"type": "json_schema", "json_schema": {"schema": schema}})


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}}
DEFINITIONS = {f"a{i}": {"anyOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 10} for i in range(9)}

CHAIN = {f"a{i}": {"items": {"$ref": f"#/$defs/a{i + 1}"}} for i in range(5000)}
RULES = "start: r0\n" + "\n".join(f'r{i}: "a" r{i + 1}' for i in range(9000))

#: Requests that fail with a code, for all models.
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a token beyond the embedding": (completion(prompt=[1, 10**6]), "invalid_parameter"),
    "a largest token": (completion(prompt=[1, 2**31 - 1]), "invalid_parameter"),
    "a bias beyond the vocabulary": (completion(logit_bias={"1000000": 1}), "invalid_parameter"),
    "a prompt that is too long": (completion(prompt=[5] * 30_000), "context_length_exceeded"),
    "a prompt of lookalikes": (completion(prompt="<|" * 4_000_000), "context_length_exceeded"),
    "a message of lookalikes": (chat("<|" * 4_000_000), "context_length_exceeded"),
    "an empty prompt": (completion(prompt=[]), "invalid_parameter"),
    "an image": (chat([{"type": "text", "text": "x"}, IMAGE]), "invalid_parameter"),
    "an enum of 100,000": (schema({"enum": [*range(100_000)]}), "invalid_parameter"),
    "an enum that is a number": (schema({"enum": 5}), "invalid_parameter"),
    "a deep schema": (schema({"properties": {"a": DEFINITIONS}, "type": 5}), "invalid_parameter"),
    "an unknown reference": (schema({"$ref": "#/$defs/x"}), "invalid_parameter"),
    "maxItems 10^9": (schema({"items": {}, "maxItems": 10**9}), "invalid_parameter"),
    "a chain of references": (schema({"$ref": "#/$defs/a0", "$defs": CHAIN}), "invalid_parameter"),
    "a keyword that is not kept": (schema({"not": {"const": 1}}), "invalid_parameter"),
    "a grammar of many rules": (completion(grammar=RULES), "invalid_parameter"),
    "a deep grammar": (
        completion(grammar="start: " + "(" * 9000 + '"a"' + ")" * 9000),
        "invalid_parameter",
    ),
}  # fmt: skip

#: Requests that end with a code for the tiny models.
BAD_FOR_TINY: dict[str, tuple[dict[str, Any], str]] = {
    "a prompt with NaN": (completion(prompt=[1, NAN_TOKEN]), "model_produces_nan"),
    "a sampled prompt with NaN": (
        completion(prompt=[1, NAN_TOKEN], temperature=1, top_p=0.5, logprobs=5),
        "model_produces_nan",
    ),
    "an answer with NaN": (
        completion(prompt=[1, 5], logit_bias={str(NAN_TOKEN): 100}),
        "model_produces_nan",
    ),
}

#: Requests that only models on transformers refuse.
BAD_FOR_TRANSFORMERS: dict[str, tuple[dict[str, Any], str]] = {
    "a text with a token beyond the embedding": (completion(prompt=EXTRA), "invalid_parameter"),
    "a message with a token beyond the embedding": (chat(EXTRA), "invalid_parameter"),
}

CASES = [
    *((REAL, name, *BAD[name]) for name in BAD if "lookalikes" in name),
    *((GGUF, name, *BAD[name]) for name in BAD),
    *((GGUF, name, *BAD_FOR_TINY[name]) for name in BAD_FOR_TINY),
    *((SAFETENSORS, name, *BAD[name]) for name in BAD),
    *((SAFETENSORS, name, *BAD_FOR_TINY[name]) for name in BAD_FOR_TINY),
    *((SAFETENSORS, name, *BAD_FOR_TRANSFORMERS[name]) for name in BAD_FOR_TRANSFORMERS),
]


@pytest.mark.parametrize(
    ("model", "_name", "body", "code"),
    CASES,
    ids=[f"{model.name}-{name}" for model, name, _, _ in CASES],
)
def test_a_bad_request_ends_alone(
    server: Server,
    api: httpx2.Client,
    answers: dict[str, str],
    model: Model,
    _name: str,
    body: dict[str, Any],
    code: str,
) -> None:
    route = "v1/chat/completions" if "messages" in body else "v1/completions"
    before = workers(server)
    with api.stream("POST", "v1/completions", json=model.good) as reply:
        events = events_of(reply)
        text = text_of(next(events))
        with server.api() as other:
            bad = other.post(route, json={"model": model.name, **body})
        text += "".join(map(text_of, events))
    error = bad.json()["error"]
    assert error["code"] == code
    assert bad.status_code == (503 if code == "model_produces_nan" else 400)
    assert "internal error" not in error["message"].lower()
    assert text == answers[model.name]
    assert workers(server) == before
    assert read(api, model) == text


@pytest.mark.parametrize("model", TINY, ids=lambda model: model.name)
def test_a_stream_with_nan_ends_with_its_reason(
    api: httpx2.Client, answers: dict[str, str], model: Model
) -> None:
    body = completion(
        model=model.name, prompt=[1, 5], logit_bias={str(NAN_TOKEN): 100}, stream=True
    )
    with api.stream("POST", "v1/completions", json=body) as reply:
        *_, last = events_of(reply)
    assert last["error"]["code"] == "model_produces_nan"  # type: ignore[index]
    assert read(api, model) == answers[model.name]


def test_a_request_that_is_tokenized_for_long_delays_no_other(
    server: Server, api: httpx2.Client, answers: dict[str, str]
) -> None:
    replies: list[httpx2.Response] = []
    body = {"model": REAL.name, "prompt": SLOW_TEXT}
    with server.api() as other:
        slow = threading.Thread(
            target=lambda: replies.append(other.post("v1/completions", json=body))
        )
        slow.start()
        wait_until(lambda: api.get(f"v1/models/{REAL.name}").json()["state"] == "busy")
        assert read(api, REAL) == answers[REAL.name]
        slow.join()
    assert replies[0].json()["error"]["code"] == "context_length_exceeded"


def test_a_client_may_leave_while_its_text_is_tokenized(
    server: Server, api: httpx2.Client, answers: dict[str, str]
) -> None:
    state = f"v1/models/{REAL.name}"
    with unread_post(server, "v1/completions", {"model": REAL.name, "prompt": SLOW_TEXT}):
        wait_until(lambda: api.get(state).json()["state"] == "busy")
    wait_until(lambda: api.get(state).json()["state"] == "loaded")
    assert read(api, REAL) == answers[REAL.name]


BAD_INPUTS: dict[str, tuple[object, str]] = {
    "a token beyond the embedding": ([[1, 10**6]], "invalid_parameter"),
    "a text with a token beyond the embedding": ([f"a {EXTRA}"], "invalid_parameter"),
    "NaN": ([GOOD_TOKENS, [1, NAN_TOKEN]], "model_produces_nan"),
}


@pytest.mark.parametrize(
    ("model", "name"),
    [
        *(("tiny-embedding", name) for name in BAD_INPUTS),
        *(("tiny-gguf", name) for name in BAD_INPUTS if "text" not in name),
    ],
)
def test_a_bad_embedding_request_ends_alone(
    server: Server, api: httpx2.Client, model: str, name: str
) -> None:
    inputs, code = BAD_INPUTS[name]
    ids = {"model": model, "allow_token_ids": True}
    good = ids | {"input": [GOOD_TOKENS[: i % 5 + 1] for i in range(300)]}
    alone = vectors(api.post("v1/embeddings", json=good))
    before = workers(server)
    replies: list[httpx2.Response] = []
    with server.api() as other:
        thread = threading.Thread(
            target=lambda: replies.append(other.post("v1/embeddings", json=good))
        )
        thread.start()
        bad = api.post("v1/embeddings", json=ids | {"input": inputs})
        thread.join()
    assert bad.json()["error"]["code"] == code
    np.testing.assert_allclose(vectors(replies[0]), alone, atol=1e-5)
    assert workers(server) == before


def vectors(reply: httpx2.Response) -> Any:
    assert reply.status_code == 200, reply.text
    return np.array([item["embedding"] for item in reply.json()["data"]])
