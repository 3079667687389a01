"""Test every method of the client with a real server and a real model."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from jupyter_server.auth import passwd

import a3s_power_jupyter as power
from a3s_power_jupyter.contract.errors import (
    BackendUnavailable,
    ContextLengthExceeded,
    FileNotFound,
    InvalidParameter,
    ModelAlreadyExists,
    ModelNotFound,
    Unauthorized,
)
from support.servers import Server

QUESTION = "What is the capital city of France? Answer in one short English sentence."


@pytest.fixture
def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[power.Client]:
    """A client that finds `server` as a kernel does."""
    monkeypatch.delenv("A3S_POWER_URL", raising=False)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(server.runtime_dir))
    monkeypatch.setenv("JPY_PARENT_PID", str(server.pid))
    with power.connect(start=False) as client:
        yield client


@pytest.fixture
def name(client: power.Client, smollm2_path: Path) -> Iterator[str]:
    """Name of the real model, deleted after the test."""
    client.register("client/smollm2:q4", smollm2_path, default_parameters={"num_ctx": 512})
    yield "client/smollm2:q4"
    client.delete("client/smollm2:q4", force=True)


def test_a_kernel_finds_its_server_and_key(client: power.Client, server: Server) -> None:
    assert (client.server.url, client.server.pid) == (server.url, server.pid)
    assert client.server.key == server.key
    assert client.server.found == "the server that started this kernel"
    assert server.key not in repr(client) + repr(client.server)


def test_url_and_token(server: Server) -> None:
    with power.connect(f"{server.url}?token={server.token}") as client:
        assert client.health().status == "ok"
    with power.connect(server.url, "wrong") as client, pytest.raises(Unauthorized):
        client.models()


def test_behind_a_password_and_a_prefix(
    start_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = passwd("open sesame", algorithm="sha1")
    server = start_server(
        "--ServerApp.base_url=/user/ada/",
        "--IdentityProvider.token=",
        f"--PasswordIdentityProvider.hashed_password={hashed}",
    )
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(server.runtime_dir))
    monkeypatch.setenv("JPY_PARENT_PID", str(server.pid))
    with power.connect(start=False) as client:
        assert client.server.url.endswith("/user/ada/")
        assert client.models() == []
        assert client.gc(dry_run=False) == []
    with power.connect(server.url) as anonymous, pytest.raises(Unauthorized):
        anonymous.models()


def test_register_show_and_delete(
    client: power.Client, smollm2_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(smollm2_path.parent)
    made = client.register("relative", smollm2_path.name, default_parameters={"seed": 3})
    assert made.source.path == str(smollm2_path)
    assert made.default_parameters.seed == 3
    assert client.show("relative") == made
    assert repr(made) == "<Model relative: gguf Q4_1, 98.4 MB, unloaded>"
    assert "UNSET" not in repr(made)
    assert "relative" in [model.id for model in client.models()]
    with pytest.raises(ModelAlreadyExists):
        client.register("relative", smollm2_path.name, default_parameters={"seed": 4})
    assert client.register("relative", smollm2_path.name) == made
    again = client.register("relative", smollm2_path.name, overwrite=True)
    assert again.default_parameters.seed is not made.default_parameters.seed
    copied = client.register("copied", smollm2_path, copy=True)
    assert client.delete("copied") == copied.size_bytes
    assert client.delete("relative") == 0
    assert smollm2_path.exists()
    with pytest.raises(ModelNotFound, match="relative"):
        client.show("relative")


def test_a_home_directory_is_expanded(client: power.Client) -> None:
    with pytest.raises(FileNotFound, match=str(Path.home())):
        client.register("nothing", "~/there-is-no-such-model.gguf")


def test_a_remote_model_has_no_path(client: power.Client) -> None:
    upstream = {"base_url": "http://127.0.0.1:9/v1", "model": "m", "api_key_env": "SOME_KEY"}
    made = client.register("far", format="remote", upstream=upstream)
    assert made.upstream.base_url == upstream["base_url"]
    client.delete("far")


def test_load_ps_pin_unload(client: power.Client, name: str) -> None:
    progress: list[tuple[str, float]] = []
    loaded = client.load(
        name,
        keep_alive="10m",
        progress=lambda phase, fraction: progress.append((phase, fraction)),
        num_ctx=256,
    )
    assert (loaded.state, loaded.num_ctx) == ("loaded", 256)
    assert progress == sorted(progress)
    assert progress[-1] == ("loading", 1.0)
    assert name in [model.id for model in client.ps()]
    assert name in client.health().loaded_models
    assert client.pin(name).pinned
    assert not client.unpin(name).pinned
    assert client.unload(name).state == "unloaded"
    assert name not in [model.id for model in client.ps()]
    with pytest.raises(InvalidParameter, match="num_ctx"):
        client.load(name, num_ctx="many")


def test_chat(client: power.Client, name: str) -> None:
    reply = client.chat(name, QUESTION, temperature=0)
    assert "Paris" in reply
    assert (reply.model, reply.finish_reason) == (name, "stop")
    assert reply.usage.prompt_tokens > 10
    assert reply.raw["object"] == "chat.completion"
    history = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": reply}]
    short = client.chat(
        name,
        [*history, {"role": "user", "content": "Thank you."}],
        system="Be brief.",
        temperature=0,
        max_tokens=3,
    )
    assert short.finish_reason == "length"
    assert short.usage.completion_tokens == 3
    with pytest.warns(UserWarning, match="ignored fields of the request: temprature") as warned:
        client.chat(name, QUESTION, temprature=0, max_tokens=1)
    assert warned[0].filename == __file__
    with pytest.raises(ContextLengthExceeded):
        client.chat(name, "word " * 600)


def test_stream(client: power.Client, name: str) -> None:
    whole = client.chat(name, QUESTION, temperature=0)
    with client.stream(name, QUESTION, temperature=0) as stream:
        pieces = list(stream)
    assert len(pieces) > 3
    assert "".join(pieces) == stream.reply == whole
    assert stream.reply.finish_reason == "stop"
    assert stream.reply.usage.completion_tokens == whole.usage.completion_tokens
    for reply in (whole, stream.reply):
        assert reply.timings.predicted_n == reply.usage.completion_tokens
        assert reply.timings.cache_n == reply.usage.cached_tokens
        assert reply.timings.prompt_ms > 0
    with pytest.raises(InvalidParameter, match="n > 1"):
        client.stream(name, QUESTION, n=2)
    with pytest.raises(InvalidParameter, match=r"Use stream\(\)"):
        client.chat(name, QUESTION, stream=True)
    with pytest.raises(InvalidParameter, match=r"Use openai\(\)\.completions"):
        client.complete(name, "Once", stream=True)
    with pytest.raises(ModelNotFound):
        client.stream("nobody", QUESTION)


def test_the_progress_of_a_stream(client: power.Client, name: str) -> None:
    question = "Count: " + " ".join(map(str, range(60)))
    readings = []
    options: Any = {"temperature": 0, "max_tokens": 2, "progress": readings.append}
    with client.stream(name, question, **options) as stream:
        next(stream)
        assert readings[-1].processed == readings[-1].total
        list(stream)
    assert readings[-1].total == stream.reply.usage.prompt_tokens
    assert readings[-1].cached == stream.reply.usage.cached_tokens


def test_complete(client: power.Client, name: str) -> None:
    reply = client.complete(name, "The capital of France is", temperature=0, max_tokens=3)
    assert "Paris" in reply
    assert reply.finish_reason == "length"


def test_embed(client: power.Client, name: str) -> None:
    texts = ["A cat sleeps.", "A kitten naps.", "Stock prices fell."]
    vectors = client.embed(name, texts)
    assert vectors.shape == (3, 576)
    assert vectors.dtype == numpy.float32
    assert numpy.allclose(numpy.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    near, far = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert near > far
    one = client.embed(name, texts[0])
    assert one.shape == (576,)
    assert numpy.allclose(one, vectors[0], atol=1e-3)
    assert client.embed(name, texts, dimensions=64).shape == (3, 64)


def test_events(client: power.Client, name: str) -> None:
    events = client.events()
    first = next(events)
    assert first["type"] == "snapshot"
    assert name in [model["id"] for model in first["models"]]
    client.pin(name)
    changed = next(event for event in events if event.get("model", {}).get("id") == name)
    assert changed["model"]["pinned"]
    events.close()


def test_openai(client: power.Client, name: str) -> None:
    with client.openai() as openai:
        done = openai.chat.completions.create(
            model=name, temperature=0, messages=[{"role": "user", "content": QUESTION}]
        )
    assert "Paris" in done.choices[0].message.content


def test_without_the_openai_package(client: power.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(BackendUnavailable, match="pip install openai"):
        client.openai()


def test_embeddings_are_writable(client: power.Client, name: str) -> None:
    for texts in ("a", ["a"]):
        vectors = client.embed(name, texts)
        vectors *= 2
        assert numpy.allclose(numpy.linalg.norm(vectors), 2, atol=1e-4)
