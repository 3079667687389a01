"""Run cells in a kernel and collect their messages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from support.servers import Server

TIMEOUT = 120.0  # seconds to wait for a message


@dataclass
class Cell:
    """Status of a cell, the messages of its outputs in order, and what its reply asks for."""

    status: str = ""
    payload: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)

    def texts(self, mime: str) -> list[str]:
        """Return this MIME type of each display, display update and result."""
        bundles = [o["content"]["data"] for o in self.outputs if "data" in o["content"]]
        return [bundle[mime] for bundle in bundles if mime in bundle]

    @property
    def stdout(self) -> str:
        return self._stream("stdout")

    @property
    def stderr(self) -> str:
        return self._stream("stderr")

    @property
    def errors(self) -> list[str]:
        return [o["content"]["evalue"] for o in self.outputs if o["msg_type"] == "error"]

    def _stream(self, name: str) -> str:
        streams = [o["content"] for o in self.outputs if o["msg_type"] == "stream"]
        return "".join(content["text"] for content in streams if content["name"] == name)


class Cells:
    """Runs cells in the kernel of a jupyter_client client."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client

    def run(self, code: str) -> Cell:
        return self.finish(self.start(code))

    def start(self, code: str, *, allow_stdin: bool = True) -> str:
        """Start a cell without waiting for it and return its message id."""
        message: str = self._client.execute(code, allow_stdin=allow_stdin)
        return message

    def outputs(self, cell: str) -> Any:
        """Yield the messages of a cell until the kernel is idle."""
        while True:
            message = self._client.get_iopub_msg(timeout=TIMEOUT)
            if message["parent_header"].get("msg_id") != cell:
                continue
            if message["msg_type"] == "status":
                if message["content"]["execution_state"] == "idle":
                    return
            elif message["msg_type"] != "execute_input":
                yield message

    def asked(self) -> str:
        """Wait for a question of a running cell, and return its prompt."""
        message = self._client.get_stdin_msg(timeout=TIMEOUT)
        prompt: str = message["content"]["prompt"]
        return prompt

    def answer(self, text: str) -> str:
        """Answer the next question of a running cell, and return its prompt."""
        prompt = self.asked()
        self._client.input(text)
        return prompt

    def finish(self, cell: str) -> Cell:
        """Wait for a started cell, and return its status and outputs."""
        result = Cell(outputs=list(self.outputs(cell)))
        reply = self.reply(cell)["content"]
        result.status, result.payload = reply["status"], reply.get("payload", [])
        return result

    def reply(self, cell: str) -> dict[str, Any]:
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            reply: dict[str, Any] = self._client.get_shell_msg(timeout=TIMEOUT)
            if reply["parent_header"].get("msg_id") == cell:
                return reply
        raise TimeoutError("the kernel did not reply")

    def complete(self, line: str) -> list[str]:
        """Return `line` with each of its completions applied."""
        reply = self._client.complete(line, reply=True, timeout=TIMEOUT)["content"]
        before, after = line[: reply["cursor_start"]], line[reply["cursor_end"] :]
        return [before + match + after for match in reply["matches"]]

    def send(self, widget: str, content: dict[str, Any]) -> None:
        """Send a message to the widget with the model id `widget`, as its view does."""
        data = {"method": "custom", "content": content}
        message = self._client.session.msg("comm_msg", {"comm_id": widget, "data": data})
        self._client.shell_channel.send(message)

    def received(self, widget: str) -> Iterator[dict[str, Any]]:
        """Yield the messages of a widget to its view, while no cell is running."""
        while True:
            message = self._client.get_iopub_msg(timeout=TIMEOUT)
            if message["msg_type"] == "comm_msg" and message["content"]["comm_id"] == widget:
                data = message["content"]["data"]
                if data["method"] == "custom":
                    yield data["content"]


@contextmanager
def bare_kernel(environ: dict[str, str]) -> Iterator[Cells]:
    """Start a kernel without a Jupyter server, as VS Code does."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=environ)
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=TIMEOUT)
        yield Cells(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
        manager.cleanup_resources()


class Kernel(Cells):
    """Kernel that a server starts, interrupts and stops, as a context manager."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._api = server.api()

    def __enter__(self) -> Kernel:
        reply = self._api.post("api/kernels", json={"name": "python3"})
        reply.raise_for_status()
        self._id = reply.json()["id"]
        connection_file = self._server.runtime_dir / f"kernel-{self._id}.json"
        self._client = BlockingKernelClient(connection_file=str(connection_file))
        self._client.load_connection_file()
        # Without heartbeats, because a kernel that starts slowly would be considered dead.
        self._client.start_channels(hb=False)
        self._client.wait_for_ready(timeout=TIMEOUT)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.stop_channels()
        self._api.delete(f"api/kernels/{self._id}").raise_for_status()
        self._api.close()

    def interrupt(self) -> None:
        """Interrupt the kernel, as the stop button does."""
        self._api.post(f"api/kernels/{self._id}/interrupt").raise_for_status()
