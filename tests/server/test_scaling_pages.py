"""Run the commands of docs/scaling.md and docs/remote.md, with their configuration."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import pages
from support.kernel_cells import Kernel
from support.paths import ROOT
from support.ports import free_port
from support.servers import TOKEN, Server, run_server

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="the commands are those of a POSIX shell"
)

FAR = "llama3.1:70b"
FAR_TOKEN = "token-of-the-gpu-machine"


def files(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file()]


def is_readable(path: Path) -> bool:
    """Whether everybody may read a file, or enter a folder and list it."""
    needed = 0o005 if path.is_dir() else 0o004
    return path.stat().st_mode & needed == needed


def test_an_administrator_fills_a_shared_store(tmp_path: Path, smollm2_path: Path) -> None:
    home = tmp_path / "srv"
    paths = {"/srv/power": str(home)}
    port = str(free_port())
    start = pages.command("scaling", "jupyter power", {"11435": port, **paths})
    with pages.run_power(start, tmp_path / "admin") as admin, admin.api() as api:
        body = {"name": "shared", "path": str(smollm2_path), "copy": True}
        api.post("v1/models", json=body).raise_for_status()
        body = {"model": "shared", "prompt": "A secret. " * 40, "max_tokens": 2}
        api.post("v1/completions", json=body).raise_for_status()
    assert not all(map(is_readable, files(home)))
    pages.run(pages.command("scaling", "^chmod", paths), tmp_path)
    assert all(map(is_readable, [home, home / "models", *(home / "models").rglob("*")]))
    prompts = files(home / "prompts")
    assert prompts
    assert not any(map(is_readable, [home / "prompts", *prompts]))
    before = {path: path.stat().st_mtime_ns for path in files(home)}
    (tmp_path / "ada" / "config").mkdir(parents=True)
    pages.example("jupyter_server_config.py", tmp_path / "ada" / "config", paths)
    with run_server(tmp_path / "ada") as server, server.api() as api:
        (model,) = api.get("v1/models").json()["data"]
        assert (model["id"], model["source"]["shared_home"]) == ("shared", str(home))
        body = {"model": "shared", "prompt": "Once", "max_tokens": 2}
        api.post("v1/completions", json=body).raise_for_status()
    assert {path: path.stat().st_mtime_ns for path in files(home)} == before


@pytest.fixture(scope="module")
def gpu_machine(tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("gpu")
    port = str(free_port())
    replaced = {"11434": port, "0.0.0.0": "127.0.0.1", "...": FAR_TOKEN}  # noqa: S104
    start = pages.command("remote", "jupyter power", replaced)
    with pages.run_power(start, folder) as server, server.api() as api:
        body = {"name": FAR, "path": str(smollm2_path)}
        api.post("v1/models", json=body).raise_for_status()
        yield server


@pytest.fixture(scope="module")
def notebook_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("notebook")
    with run_server(folder, environ={"GPU_BOX_TOKEN": FAR_TOKEN}) as server:
        yield server


@pytest.mark.skipif(shutil.which("curl") is None, reason="the command is one of curl")
@pytest.mark.parametrize(
    ("name", "hosts"),
    [
        ("remote-model.json", ["http://gpu-box:11434/"]),
        (
            "remote-model-on-two-servers.json",
            ["http://gpu-box-1:8000/", "http://gpu-box-2:8000/"],
        ),
    ],
)
def test_curl_registers_the_examples(
    gpu_machine: Server, notebook_server: Server, tmp_path: Path, name: str, hosts: list[str]
) -> None:
    by_name = gpu_machine.url.replace("127.0.0.1", "localhost")
    pages.example(name, tmp_path, dict(zip(hosts, [gpu_machine.url, by_name], strict=False)))
    address = {"http://localhost:8888/": notebook_server.url, "remote-model.json": name}
    register = pages.command("remote", "^curl", address)
    pages.run(register, tmp_path, TOKEN=TOKEN, NO_PROXY="*")
    with notebook_server.api() as api:
        body = {"model": FAR, "prompt": "Once", "max_tokens": 2, "temperature": 0}
        reply = api.post("v1/completions", json=body).raise_for_status().json()
        assert reply["usage"]["completion_tokens"] == 2
        upstreams = api.get(f"v1/models/{FAR}").json().get("upstreams", [])  # if there are several
        states = [each["state"] for each in upstreams]
        assert states == (["available", "available"] if len(hosts) == 2 else [])
        api.delete(f"v1/models/{FAR}").raise_for_status()


def test_the_magic_registers_several_upstreams(notebook_server: Server) -> None:
    text = (ROOT / "docs/remote.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"`(%power register NAME [^`]*)`", text)
    line = line.replace("NAME", "far").replace("-model MODEL", f"-model {FAR}")
    line = line.replace("VARIABLE", "GPU_BOX_TOKEN")
    line = line.replace("URL", "http://gpu-1:8000/v1", 1).replace("URL", "http://gpu-2:8000/v1", 1)
    with Kernel(notebook_server) as kernel:
        cell = kernel.run(f"%load_ext a3s_power_jupyter\n{line}")
    assert cell.errors == []
    with notebook_server.api() as api:
        upstream = api.get("v1/models/far").json()["upstream"]
    assert upstream["base_url"] == ["http://gpu-1:8000/v1", "http://gpu-2:8000/v1"]
