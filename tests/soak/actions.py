"""The things that clients do at random."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import psutil

from .client import Client
from .wire import ANSWERED, call, connect, quoted, read, read_stream, request, send
from .world import EMBEDDERS, LOCAL, REMOTE, REPOSITORIES, World

LEFT = "client left"
NOTHING = "nothing to do"


def whole_reply(client: Client) -> str:
    path, body = client.generation()
    return call(client.world.server, "POST", path, body)[0]


def streamed_reply(client: Client) -> str:
    path, body = client.generation()
    return _stream(client, path, {**body, "stream": True}, done=True)


def slow_reader(client: Client) -> str:
    path, body = client.generation()
    body |= {"stream": True, "max_tokens": 60}
    with request(client.world.server, "POST", path, body) as reply:
        client.pause(1.0, 4.0)
        return read_stream(reply, path, done=True)


def embedding(client: Client) -> str:
    body = {
        "model": client.rng.choice(EMBEDDERS),
        "input": [client.text(20) for _ in range(client.rng.choice((1, 1, 4, 64)))],
        "encoding_format": client.rng.choice(("float", "base64")),
    }
    return call(client.world.server, "POST", "v1/embeddings", body)[0]


def remote_reply(client: Client) -> str:
    body: dict[str, Any] = {
        "model": client.rng.choice(REMOTE),
        "messages": [{"role": "user", "content": client.text()}],
    }
    if client.rng.random() < 0.5:
        return call(client.world.server, "POST", "v1/chat/completions", body)[0]
    return _stream(client, "v1/chat/completions", {**body, "stream": True}, done=True)


def leaving(client: Client) -> str:
    """Send a request and close the connection at a random moment, or in the middle of the body."""
    connection = connect(client.world.server)
    path, body = client.generation()
    path, body = client.rng.choice(
        (
            (path, {**body, "stream": True}),
            (path, body),
            ("v1/embeddings", {"model": "minilm", "input": [client.text()] * 50}),
            (f"v1/models/{client.rng.choice(LOCAL)}/load", {"num_ctx": 300}),
            (f"v1/models/{client.rng.choice(LOCAL)}/load", {}),
            ("v1/models/pull", {"name": client.rng.choice(REPOSITORIES)}),
            ("v1/models/gc", {"dry_run": True}),
        )
    )
    try:
        with contextlib.suppress(ConnectionError):
            send(connection, client.world.server, "POST", path, body)
            client.pause(0.3, 3.0)
    finally:
        connection.close()
    return LEFT


def half_a_body(client: Client) -> str:
    """Announce a body, send half of it, and leave."""
    server = client.world.server
    connection = connect(server)
    try:
        with contextlib.suppress(ConnectionError):
            connection.putrequest("POST", "/v1/chat/completions")
            connection.putheader("Authorization", f"Bearer {server.token}")
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", "200000")
            connection.endheaders(b'{"model": "smol", "messages": "' + b"x" * 100_000)
            client.pause(0.2, 1.0)
    finally:
        connection.close()
    return LEFT


def unread_events(client: Client) -> str:
    """Watch the events without reading them."""
    connection = connect(client.world.server)
    try:
        with contextlib.suppress(ConnectionError):
            send(connection, client.world.server, "GET", "v1/events", stream=True)
            client.pause(5.0, 15.0)
    finally:
        connection.close()
    return LEFT


def mistake(client: Client) -> str:
    """Send something wrong, which the server has to refuse."""
    chat = [{"role": "user", "content": "hi"}]
    path, body = client.rng.choice(
        (
            ("v1/chat/completions", {"model": "smol", "messages": chat, "temperature": -1}),
            ("v1/chat/completions", {"model": "nobody", "messages": chat}),
            ("v1/chat/completions", {"model": "minilm", "messages": chat}),
            ("v1/chat/completions", {"model": "smol", "messages": chat * 800}),
            ("v1/completions", {"model": "smol", "prompt": [999_999_999]}),
            ("v1/completions", {"model": "smol", "prompt": "x", "logit_bias": {"-1": 5}}),
            ("v1/embeddings", {"model": "minilm", "input": []}),
            ("v1/embeddings", {"model": "smol", "input": ["text"]}),
            ("v1/models", {"name": "a//b", "path": "/"}),
            ("v1/models/pull", {"name": "no reference"}),
            ("v1/nowhere", {"x": "y" * 100_000}),
        )
    )
    code = call(client.world.server, "POST", path, body)[0]
    # Everything that embeds may also be asked to embed with a model that generates text.
    assert code != ANSWERED or path == "v1/embeddings", (path, body)
    return code


def load(client: Client) -> str:
    path = f"v1/models/{client.rng.choice(LOCAL)}/load"
    body = {} if client.rng.random() < 0.5 else {"num_ctx": client.rng.choice((256, 384, 512))}
    if client.rng.random() < 0.5:
        return call(client.world.server, "POST", path, body)[0]
    return _stream(client, path, body, done=False)


def unload(client: Client) -> str:
    force = "?force=true" if client.rng.random() < 0.3 else ""
    path = f"v1/models/{client.rng.choice(LOCAL)}/unload{force}"
    return call(client.world.server, "POST", path)[0]


def replace(client: Client) -> str:
    """Delete a model and register it again."""
    name = client.rng.choice((*LOCAL, *REMOTE))
    force = "?force=true" if client.rng.random() < 0.5 else ""
    deleted = call(client.world.server, "DELETE", f"v1/models/{quoted(name)}{force}")[0]
    client.pause(0.1, 1.0)
    registered = register(client.world, name)
    return deleted if registered == ANSWERED else registered


def register(world: World, name: str) -> str:
    return call(world.server, "POST", "v1/models", world.models[name])[0]


def pull(client: Client) -> str:
    body: dict[str, Any] = {"name": client.rng.choice(REPOSITORIES)}
    body["force"] = client.rng.random() < 0.7
    if client.rng.random() < 0.5:
        return call(client.world.server, "POST", "v1/models/pull", {**body, "background": True})[0]
    return _stream(client, "v1/models/pull", body, done=False)


def control_pull(client: Client) -> str:
    """Pause, cancel or look at a pull."""
    name = client.rng.choice(REPOSITORIES)
    method, path = client.rng.choice(
        (
            ("POST", f"v1/models/pull/{name}/pause"),
            ("DELETE", f"v1/models/pull/{name}"),
            ("DELETE", f"v1/models/pull/{name}?keep_partial=true"),
            ("GET", f"v1/models/pull/{name}/status"),
            ("GET", "v1/models/pull"),
        )
    )
    return call(client.world.server, method, path)[0]


def use_pulled(client: Client) -> str:
    """Use the small model that is pulled, and delete it now and then."""
    if client.rng.random() < 0.2:
        return call(client.world.server, "DELETE", "v1/models/soak/tiny")[0]
    body = {"model": "soak/tiny", "prompt": client.text(), "max_tokens": 5}
    return call(client.world.server, "POST", "v1/completions", body)[0]


def listing(client: Client) -> str:
    paths = ("v1/models", "v1/health", "v1/models/smol", "v1/models/soak/tiny", "v1/models/pull")
    return call(client.world.server, "GET", client.rng.choice(paths))[0]


def collect(client: Client) -> str:
    body = {"dry_run": client.rng.random() < 0.5}
    return call(client.world.server, "POST", "v1/models/gc", body)[0]


def kill_process(client: Client) -> str:
    """Kill a worker, a conversion, a pull, or the process that renders a worker's templates."""
    process = _descendant(client)
    if process is None:
        return NOTHING
    with contextlib.suppress(psutil.Error):
        process.kill()
    return "killed"


def stop_process(client: Client) -> str:
    """Stop a process of the server for some seconds, or half of the workers for good."""
    process = _descendant(client)
    if process is None:
        return NOTHING
    with contextlib.suppress(psutil.Error):
        is_worker = any("engine.main" in argument for argument in process.cmdline())
        process.suspend()
        if is_worker and client.rng.random() < 0.5:
            return "stopped for good"
        client.pause(1.0, 5.0)
        process.resume()
    return "stopped"


def _descendant(client: Client) -> psutil.Process | None:
    with contextlib.suppress(psutil.Error):
        processes = psutil.Process(client.world.server.pid).children(recursive=True)
        if processes:
            return client.rng.choice(processes)
    return None


def _stream(client: Client, path: str, body: dict[str, Any], *, done: bool) -> str:
    with request(client.world.server, "POST", path, body, stream=True) as reply:
        if reply.status >= 400:
            return read(reply, path)[0]
        return read_stream(reply, path, done=done)


Action = Callable[[Client], str]

#: Every action with its weight.
ACTIONS: dict[Action, float] = {
    whole_reply: 12,
    streamed_reply: 14,
    slow_reader: 4,
    embedding: 8,
    remote_reply: 8,
    leaving: 14,
    half_a_body: 2,
    unread_events: 2,
    mistake: 6,
    load: 4,
    unload: 3,
    replace: 2,
    pull: 4,
    control_pull: 4,
    use_pulled: 3,
    listing: 6,
    collect: 1,
    kill_process: 1,
    stop_process: 1,
}
