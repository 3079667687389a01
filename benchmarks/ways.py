"""Run servers that reach a model directly, through JupyterHub, from Ray Serve, or as remote."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from a3s_power_jupyter.contract.types import Upstream
from a3s_power_jupyter.store import ModelStore
from llm_servers import Target

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.jupyterhub import ENVIRONMENT as HUB_ENVIRONMENT
from support.jupyterhub import run_jupyterhub
from support.ray_cluster import BIN as RAY_BIN
from support.ray_cluster import TOKEN as RAY_TOKEN
from support.ray_cluster import run_cluster
from support.registering import register
from support.servers import TOKEN, Server, run_server

DIRECT, HUB, REMOTE, HUB_REMOTE = "direct", "hub", "remote", "hub and remote"
RAY, RAY_REMOTE = "ray", "ray and remote"
WAYS = (DIRECT, HUB, REMOTE, HUB_REMOTE, RAY, RAY_REMOTE)

#: Names of the model: in the shared store, and of its remote models on the direct server and on
#: the Ray cluster.
MODEL, FAR, RAY_FAR = "model", "far-model", "model-on-ray"

#: Environment variables of notebook servers with the tokens of the direct server and the cluster.
KEY, RAY_KEY = "GPU_BOX_TOKEN", "RAY_TOKEN"

HOURS = 12 * 3600


@dataclass
class Running:
    """The servers that have been started.

    Attributes
    ----------
    targets : dict of str to Target
        By way. A model is loaded by the first request.
    starts : dict of str to float
        Seconds until it answered, by what was started.
    roots : dict of str to int
        Processes by the server that they and their children are.
    """

    targets: dict[str, Target] = field(default_factory=dict)
    starts: dict[str, float] = field(default_factory=dict)
    roots: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.starts[name] = time.perf_counter() - began


@contextmanager
def run(model: Path, ways: list[str]) -> Iterator[Running]:
    """Run the servers of these ways, which include the direct one, until the block ends."""
    running = Running()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        shared = folder / "shared"
        store = ModelStore(shared)
        register(store, MODEL, model, copy=True)
        direct = start_server(running, stack, DIRECT, folder / DIRECT, shared)
        running.targets[DIRECT] = target_of(direct, MODEL)
        upstream = Upstream(f"{direct.url}v1", MODEL, KEY)
        register(store, FAR, None, format="remote", upstream=upstream)
        cluster = start_ray(running, stack, folder, store) if {RAY, RAY_REMOTE} & {*ways} else 0
        if REMOTE in ways or RAY_REMOTE in ways:
            notebook = start_server(running, stack, REMOTE, folder / REMOTE, shared)
            running.targets[REMOTE] = target_of(notebook, FAR, direct.pid)
            running.targets[RAY_REMOTE] = target_of(notebook, RAY_FAR, cluster)
        if HUB in ways or HUB_REMOTE in ways:
            start_hub(running, stack, folder, direct)
        running.targets = {way: running.targets[way] for way in ways}
        yield running


def start_server(
    running: Running, stack: ExitStack, way: str, folder: Path, shared: Path
) -> Server:
    """Start ``jupyter power`` or, for the remote model, a notebook server."""
    folder.mkdir()
    name = "jupyter power" if way == DIRECT else "notebook server"
    environ = {"A3S_POWER_SHARED_HOMES": str(shared), KEY: TOKEN, RAY_KEY: RAY_TOKEN}
    with running.timed(name):
        server = stack.enter_context(run_server(folder, headless=way == DIRECT, environ=environ))
    running.roots[name] = server.pid
    return server


def target_of(server: Server, model: str, *also: int) -> Target:
    headers = {"Authorization": f"Bearer {server.token}"}
    return Target(server.url, headers, model, server.pid, also)


def start_hub(running: Running, stack: ExitStack, folder: Path, direct: Server) -> None:
    """Start JupyterHub, its proxy and the server of a user, who has the shared store."""
    if not (HUB_ENVIRONMENT / "bin/jupyterhub").exists():
        raise SystemExit(f"{HUB_ENVIRONMENT} is missing. Make it with: make build/hub/.installed")
    environ = {"HF_ENDPOINT": "http://127.0.0.1:9", KEY: direct.token}  # nothing is pulled
    with running.timed("JupyterHub and its proxy"):
        times = {"cull_timeout": HOURS, "list_every": 30}
        hub = stack.enter_context(run_jupyterhub(folder, environ, **times))
    with running.timed("server of a user of JupyterHub"):
        hub.start("ada")
    running.roots["JupyterHub"] = hub.pid
    headers = {"Authorization": f"token {hub.tokens['ada']}"}
    url = f"{hub.url}user/ada/"
    running.targets[HUB] = Target(url, headers, MODEL, hub.pid)
    running.targets[HUB_REMOTE] = Target(url, headers, FAR, hub.pid, (direct.pid,))


def start_ray(running: Running, stack: ExitStack, folder: Path, store: ModelStore) -> int:
    """Start a Ray cluster of one node and the application, and return the cluster's process.

    The application has no replica until the first request, which measures how long one takes.
    """
    if not (RAY_BIN / "serve").exists():
        raise SystemExit(f"{RAY_BIN} is incomplete. Make it with: make build/ray/.installed")
    arguments = (
        f'shared_homes=["{store.home}"]',
        f"home={folder / RAY}",
        "min_replicas=0",
        "max_replicas=1",
        f"downscale_delay_s={HOURS}",
    )
    with running.timed("Ray and Ray Serve, on one node"):
        cluster = stack.enter_context(run_cluster(nodes=1, HF_ENDPOINT="http://127.0.0.1:9"))
    with running.timed("application for Ray Serve, without a replica"):
        command = ("serve", "run", "--non-blocking", "--address", cluster.address)
        cluster.command(*command, "a3s_power_jupyter.ray:app", *arguments)
    headers = {"Authorization": f"Bearer {RAY_TOKEN}"}
    with running.timed("first reply of the application, from a new replica"):
        reply = httpx2.get(f"{cluster.url}v1/models", headers=headers, timeout=600, trust_env=False)
        reply.raise_for_status()
    pid = running.roots["Ray"] = cluster.process.pid
    running.targets[RAY] = Target(cluster.url, headers, MODEL, pid)
    register(
        store, RAY_FAR, None, format="remote", upstream=Upstream(f"{cluster.url}v1", MODEL, RAY_KEY)
    )
    return pid
