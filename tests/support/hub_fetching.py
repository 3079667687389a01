"""Fetch files from the test hub in this process, or run whole pulls in child processes."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from a3s_power_jupyter.contract.types import PullStatus
from a3s_power_jupyter.hub.http.addresses import origin_of
from a3s_power_jupyter.hub.http.http_client import Client
from a3s_power_jupyter.hub.http.retries import Retry
from a3s_power_jupyter.hub.protocol import STATUS_DECODER, Command, Pause, StartPull
from a3s_power_jupyter.hub.resolve.hub_api import HubApi
from a3s_power_jupyter.hub.resolve.reference import parse
from a3s_power_jupyter.hub.resolve.repository import RemoteFile
from a3s_power_jupyter.hub.transfer.download import Throttle
from a3s_power_jupyter.hub.transfer.fetch import Fetcher
from a3s_power_jupyter.hub.transfer.partial_state import PartialPaths
from a3s_power_jupyter.hub.transfer.policy import Policy
from a3s_power_jupyter.hub.transfer.progress import Progress
from a3s_power_jupyter.ipc.child import python_module
from a3s_power_jupyter.ipc.framing import encode, read_messages
from a3s_power_jupyter.store import ModelStore
from support.hub_server import HubServer

MIB = 1 << 20
REPO = "ada/model"
PATH = "model.gguf"
SIZE = 12 * MIB + 345

#: Short timeouts for tests.
POLICY = Policy(stall=0.5, first_wait=0.01, longest_wait=0.05, attempts=6, checkpoint=0.05)


def random_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311


def publish(
    hub: HubServer, content: bytes | Path, path: str = PATH, repo: str = REPO
) -> RemoteFile:
    """Add a repository with one file, and return the file as the hub lists it."""
    hub.add(repo, {path: content})
    return listed(hub, path, repo)


def listed(
    hub: HubServer, path: str = PATH, repo: str = REPO, token: str | None = None
) -> RemoteFile:
    api = HubApi(hub.url, token)
    files = api.files(api.repository(repo, "main")).files
    [file] = [file for file in files if file.path == path]
    return file


@dataclass
class Fetching:
    """Fetches files into one home.

    Attributes
    ----------
    stop : threading.Event
        Set it to pause.
    progress : Progress
        Progress of the last file.
    retries : list of Retry
        All reported ones.
    """

    hub: HubServer
    home: Path
    token: str | None = None
    policy: Policy = POLICY
    name: str = "a-model"
    force: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    retries: list[Retry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = ModelStore(self.home)
        self.throttle = Throttle(self.policy.connections)

    def fetch(self, file: RemoteFile) -> str:
        self.progress = Progress([file])
        fetcher = Fetcher(
            home=self.home,
            name=self.name,
            store=self.store,
            progress=self.progress,
            new_client=self._new_client,
            stop=self.stop,
            policy=self.policy,
            throttle=self.throttle,
            force=self.force,
            on_retry=self.retries.append,
        )
        return fetcher.fetch(file)

    def _new_client(self) -> Client:
        hub = origin_of(self.hub.url)
        return Client(hub, self.token, stall=self.policy.stall, head=self.policy.head)

    def partial(self, file: RemoteFile) -> Path:
        return PartialPaths.of(self.home, file.url).bytes

    def check(self, file: RemoteFile, content: bytes) -> None:
        """Fetch a file and check its content, hash and progress."""
        assert self.fetch(file) == hashlib.sha256(content).hexdigest()
        assert self.partial(file).read_bytes() == content
        assert self.progress.completed == len(content)


def data_requests(hub: HubServer, path: str = PATH) -> list[tuple[str, int]]:
    """Return the requested ranges and the bytes served for each."""
    gets = [r for r in hub.requests if r.method == "GET" and r.path.endswith(path)]
    return [(r.range or "", r.sent) for r in gets if r.status in (200, 206)]


def start_pull(
    hub: HubServer, home: Path, text: str, name: str | None = None, **more: Any
) -> StartPull:
    """Return the command that pulls a reference, under another name if one is given."""
    reference = parse(text)
    if name is not None:
        reference = msgspec.structs.replace(reference, name=name)
    status = PullStatus(reference.name, "pulling", started_at=0.0)
    return StartPull(reference, status, str(home), endpoint=hub.url, **more)


class Puller:
    """A pull in its own process, as the server runs it."""

    def __init__(self, hub: HubServer, home: Path, reference: str, **more: Any) -> None:
        self.process = subprocess.Popen(
            python_module("a3s_power_jupyter.hub.process.main"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean_environ(home),
        )
        self._send(start_pull(hub, home, reference, **more))

    @property
    def statuses(self) -> Iterator[PullStatus]:
        assert self.process.stdout is not None
        return read_messages(self.process.stdout, STATUS_DECODER)

    def pause(self) -> None:
        self._send(Pause())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def hang_up(self) -> None:
        """Close stdin, which also happens when the server is killed."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def log(self) -> str:
        """Wait until the process has exited, and return its stderr."""
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()

    def _send(self, command: Command) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(encode(command))
        self.process.stdin.flush()


@contextmanager
def pulling(hub: HubServer, home: Path, reference: str, **more: Any) -> Iterator[Puller]:
    puller = Puller(hub, home, reference, **more)
    try:
        yield puller
    finally:
        with puller.process as process:  # waits and closes the pipes
            process.kill()


def clean_environ(home: Path) -> dict[str, str]:
    """Return the environment of this process without its user's tokens and caches."""
    hidden = ("HF_", "HUGGING", "JUPYTER", "A3S_POWER_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return env | {"HF_HOME": str(home.parent / "hf")}
