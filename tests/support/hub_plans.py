"""Create repositories on the test hub and plan pulls of them."""

from __future__ import annotations

import json
from pathlib import Path

from a3s_power_jupyter.hub.resolve.hub_api import HubApi
from a3s_power_jupyter.hub.resolve.plan import Plan, make_plan
from a3s_power_jupyter.hub.resolve.reference import parse
from support import model_files
from support.hub_server import HubServer

REPO = "ada/Model-GGUF"


def add(hub: HubServer, *paths: str, repo: str = REPO) -> None:
    """Add a repository of small files."""
    hub.add(repo, {path: b"x" * size for size, path in enumerate(paths, 100)})


def plan(hub: HubServer, text: str, memory: int | None = None, token: str | None = None) -> Plan:
    return make_plan(parse(text), HubApi(hub.url, token), memory_bytes=memory)


def paths_of(planned: Plan) -> list[str]:
    return [file.path for file in planned.files]


def index(folder: Path, weight_map: dict[str, str]) -> None:
    text = json.dumps({"metadata": {}, "weight_map": weight_map})
    (folder / "model.safetensors.index.json").write_text(text)


def sharded(folder: Path) -> Path:
    """Write a Transformers model with two files of weights."""
    model_files.model_directory(folder)
    (folder / "model.safetensors").unlink()
    weight_map = {}
    for number in (1, 2):
        name = f"model-{number:05}-of-00002.safetensors"
        (folder / name).write_bytes(model_files.safetensors({f"t{number}": ("F32", (2, 2))}))
        weight_map[f"t{number}"] = name
    index(folder, weight_map)
    return folder
