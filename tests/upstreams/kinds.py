"""The servers that are tested, and what each of them can do.

docs/remote.md has the same as a table.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx2

from support import servers
from support.paths import ROOT, TESTS

#: The environment of `make upstreams`, which also sees the packages of the tests.
BIN = ROOT / "build" / "upstreams" / "bin"

#: The key of all servers that know one, and the variable of our server that has it.
KEY = "sk-of-the-upstreams"
KEY_VARIABLE = "UPSTREAM_KEY"

#: Tokens of the context.
CONTEXT = 4096

#: Seconds for the start of a server.
START = 120


@dataclass(frozen=True)
class Models:
    """SmolLM2 as GGUF, as GGUF for embeddings, and as a directory of safetensors.

    All have the same chat template.
    """

    gguf: Path
    pooled: Path
    directory: Path


@dataclass(frozen=True)
class Running:
    """A running server.

    Attributes
    ----------
    url : str
        Its ``base_url``.
    model : str
        Its name of the model.
    """

    process: subprocess.Popen[Any]
    url: str
    model: str

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def client(self) -> httpx2.Client:
        """Return a client of the server itself."""
        headers = {"Authorization": f"Bearer {KEY}"}
        return httpx2.Client(base_url=f"{self.url}/", headers=headers, timeout=60, trust_env=False)


#: Starts a server in a folder and on a port.
Start = Callable[[Path, int, Models], AbstractContextManager[Running]]


@dataclass(frozen=True)
class Kind:
    """One of the servers.

    Attributes
    ----------
    calls : str
        Whether calls are read from answers: always, only with a ``tool_choice`` that demands one,
        or never.
    schema : str
        What becomes of a JSON schema.
    other_model : str or None
        The error code of a request for a model that it does not have; None if it answers with its
        own.
    image : str or None
        The error code of a request with an image for a model without vision; None if the image is
        dropped.
    embeddings : str or None
        The error code of a request for embeddings; None if it answers them as it is started here.
    overflow : bool
        Whether a prompt that is too long is refused.
    """

    name: str
    start: Start
    calls: Literal["read", "demanded", "ignored"] = "read"
    schema: Literal["kept", "refused", "ignored"] = "kept"
    other_model: str | None = None
    image: str | None = "upstream_refused"
    embeddings: str | None = "upstream_refused"
    overflow: bool = True
    has_keys: bool = True
    has_tokens: bool = True
    has_logprobs: bool = True
    has_top_k: bool = True
    counts_streams: bool = True
    states_context: bool = True
    takes_null: bool = True


def listens(process: subprocess.Popen[Any], url: str) -> bool:
    assert process.poll() is None, "The server has ended."
    headers = {"Authorization": f"Bearer {KEY}"}
    try:
        return httpx2.get(f"{url}/models", headers=headers, trust_env=False).is_success
    except httpx2.TransportError:
        return False


@contextmanager
def run_process(
    command: list[str | Path], folder: Path, port: int, model: str, **environ: str
) -> Iterator[Running]:
    """Run a server until the block ends; wait until it lists its models."""
    url = f"http://127.0.0.1:{port}/v1"
    log = folder / f"{port}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | environ,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    running = Running(process, url, model)
    deadline = time.monotonic() + START
    try:
        while not listens(process, url):
            assert time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.1)
        yield running
    finally:
        running.kill()
        assert process.stdin is not None
        process.stdin.close()


def llama_cpp(
    folder: Path, port: int, models: Models, **fields: Any
) -> AbstractContextManager[Running]:
    params = {
        "model_path": str(models.gguf),
        "model_alias": ["smollm2"],
        "hostnames": ["127.0.0.1"],
        "port": port,
        "api_keys": [KEY],
        "n_ctx": CONTEXT,
        "n_parallel": 1,
        **fields,
    }
    script = TESTS / "upstreams" / "llama_cpp_server.py"
    return run_process([BIN / "python", script, json.dumps(params)], folder, port, "smollm2")


def llama_cpp_python(
    folder: Path, port: int, models: Models, **more: str
) -> AbstractContextManager[Running]:
    options = {
        "model": models.gguf,
        "model_alias": "smollm2",
        "host": "127.0.0.1",
        "port": port,
        "api_key": KEY,
        "n_ctx": CONTEXT,
        "interrupt_requests": "false",  # by default, a new request ends the one in progress
        **more,
    }
    command: list[str | Path] = [BIN / "python", "-m", "llama_cpp.server"]
    command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return run_process(command, folder, port, "smollm2")


def transformers_serve(folder: Path, port: int, models: Models) -> AbstractContextManager[Running]:
    model = str(models.directory)
    command = [BIN / "python", "-m", "transformers.cli.transformers", "serve", model]
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    offline = {"HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": "1"}
    return run_process([*command, *options], folder, port, model, **offline)


@contextmanager
def jupyter_power(folder: Path, port: int, models: Models) -> Iterator[Running]:
    parameters = {"num_ctx": CONTEXT, "keep_alive": -1}
    body = {"name": "smollm2", "path": str(models.gguf), "default_parameters": parameters}
    with servers.run_server(folder, headless=True, token=KEY, port=port) as server:
        with server.api() as api:
            api.post("v1/models", json={**body, "overwrite": True}).raise_for_status()
        yield Running(server.process, f"{server.url}v1", "smollm2")


KINDS = [
    Kind("llama.cpp", llama_cpp),
    Kind(
        "llama-cpp-python",
        llama_cpp_python,
        calls="demanded",
        schema="refused",
        image="upstream_error",
        embeddings="upstream_error",
        has_tokens=False,
        counts_streams=False,
        states_context=False,
        takes_null=False,
    ),
    Kind(
        "transformers serve",
        transformers_serve,
        calls="ignored",
        schema="ignored",
        other_model="upstream_refused",
        image=None,
        overflow=False,
        has_keys=False,
        has_tokens=False,
        has_logprobs=False,
        has_top_k=False,
        states_context=False,
    ),
    Kind(
        "jupyter power",
        jupyter_power,
        other_model="upstream_error",
        image="invalid_parameter",
        embeddings=None,
        states_context=False,
    ),
]
