"""Cells run in a kernel that a real notebook server started, with every message they sent."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from servers import Server

TIMEOUT = 120.0  # seconds for one message


@dataclass
class Cell:
    """What one cell did: the reply, and the messages of its outputs in order."""

    status: str = ""
    outputs: list[dict[str, Any]] = field(default_factory=list)

    def texts(self, mime: str) -> list[str]:
        """That form of each display and result, updates of a display included."""
        bundles = [o["content"]["data"] for o in self.outputs if "data" in o["content"]]
        return [bundle[mime] for bundle in bundles if mime in bundle]

    @property
    def stdout(self) -> str:
        return self._stream("stdout")

    @property
    def stderr(self) -> str:
        return self._stream("stderr")

    @property
    def tracebacks(self) -> list[str]:
        return [o["content"]["evalue"] for o in self.outputs if o["msg_type"] == "error"]

    def _stream(self, name: str) -> str:
        streams = [o["content"] for o in self.outputs if o["msg_type"] == "stream"]
        return "".join(content["text"] for content in streams if content["name"] == name)


class Kernel:
    """``with Kernel(server) as kernel``: started, interrupted and ended through the server."""

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
        # Without heartbeats: a kernel that is slow to start counts as dead by them.
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

    def run(self, code: str) -> Cell:
        return self.finish(self.start(code))

    def start(self, code: str) -> str:
        """Begin a cell; `finish` waits for it."""
        message: str = self._client.execute(code)
        return message

    def outputs(self, cell: str) -> Any:
        """The messages of a cell as they come, until it is idle."""
        while True:
            message = self._client.get_iopub_msg(timeout=TIMEOUT)
            if message["parent_header"].get("msg_id") != cell:
                continue
            if message["msg_type"] == "status":
                if message["content"]["execution_state"] == "idle":
                    return
            elif message["msg_type"] != "execute_input":
                yield message

    def finish(self, cell: str) -> Cell:
        done = Cell(outputs=list(self.outputs(cell)))
        done.status = self.reply(cell)["content"]["status"]
        return done

    def reply(self, cell: str) -> dict[str, Any]:
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            reply: dict[str, Any] = self._client.get_shell_msg(timeout=TIMEOUT)
            if reply["parent_header"].get("msg_id") == cell:
                return reply
        raise TimeoutError("the kernel did not reply")

    def interrupt(self) -> None:
        """As the stop button does: SIGINT to the kernel."""
        self._api.post(f"api/kernels/{self._id}/interrupt").raise_for_status()

    def complete(self, line: str) -> list[str]:
        """What Tab gives at the end of `line`: the line with each of its completions."""
        reply = self._client.complete(line, reply=True, timeout=TIMEOUT)["content"]
        before, after = line[: reply["cursor_start"]], line[reply["cursor_end"] :]
        return [before + match + after for match in reply["matches"]]
