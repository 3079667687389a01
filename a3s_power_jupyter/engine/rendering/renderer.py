"""The worker's end of the rendering processes: start them, send commands, enforce their limits.

All templates of a worker share one process, which is started again after it was killed. While it is
busy with a slow template, other commands get further processes.
"""

from __future__ import annotations

import threading
import time
from functools import cache
from typing import Any

from ...ipc.framing import encode
from .process import POLL_SECONDS, Process, RenderingFailed, raise_if_cancelled
from .protocol import (
    Check,
    Checked,
    Command,
    Failed,
    Learn,
    Learnt,
    Render,
    Rendered,
    RenderOptions,
    Reply,
    Template,
)

#: Most processes of a worker. One takes 15 MB of memory, or up to `MEMORY_BYTES` with a command.
MAX_PROCESSES = 3

#: Seconds that a command waits for a process before another one is started.
PATIENCE = 0.2


class Renderer:
    """Sends commands to the rendering processes, to each one at a time.

    All methods are thread-safe. One process is kept for the next command.
    """

    def __init__(self) -> None:
        self._idle: list[Process] = []
        self._busy: list[Process] = []
        self._changed = threading.Condition()

    def start(self) -> None:
        """Start a process if none is running, without waiting until it is ready."""
        with self._changed:
            self._keep_one()

    def check(self, template: Template) -> Checked:
        """Compile a template, and find out which kinds of content it renders.

        Raises
        ------
        RenderingFailed
            If the template is not valid, or exceeds a limit.
        OSError
            If no process can be started.
        """
        reply = self._call(Check(template))
        if not isinstance(reply, Checked):
            raise TypeError(f"The reply to Check is a {type(reply).__name__}.")
        return reply

    def learn(self, template: Template) -> Learnt:
        """Learn the syntax of answers, and which messages a template renders.

        Parameters
        ----------
        template : Template
            With the traits that `check` found.

        Raises
        ------
        RenderingFailed
            If the template exceeds a limit.
        OSError
            If no process can be started.
        """
        reply = self._call(Learn(template))
        if not isinstance(reply, Learnt):
            raise TypeError(f"The reply to Learn is a {type(reply).__name__}.")
        return reply

    def render(
        self,
        template: Template,
        messages: list[dict[str, Any]],
        options: RenderOptions,
        max_chars: int,
    ) -> str:
        """Render a template and return the prompt, which has at most `max_chars` characters.

        Raises
        ------
        RenderingFailed
            If the template rejects the messages, or exceeds a limit.
        OSError
            If no process can be started.
        """
        reply = self._call(Render(template, messages, options, max_chars))
        if not isinstance(reply, Rendered):
            raise TypeError(f"The reply to Render is a {type(reply).__name__}.")
        return reply.text

    def _call(self, command: Command) -> Reply:
        frame = encode(command)
        process = self._take()
        try:
            process.wait_until_ready()
            try:
                reply = process.call(frame)
            except RenderingFailed:
                process.kill()
                raise
        finally:
            self._give_back(process)
        if isinstance(reply, Failed):
            raise RenderingFailed(reply.failure, reply.message)
        return reply

    def _take(self) -> Process:
        """Return a process for one command; start it if the others are busy for too long."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with self._changed:
                self._keep_one()
                if not self._idle and time.monotonic() >= deadline:
                    self._start_another()
                if self._idle:
                    self._busy.append(self._idle.pop())
                    return self._busy[-1]
                self._changed.wait(POLL_SECONDS)
            raise_if_cancelled()

    def _give_back(self, process: Process) -> None:
        with self._changed:
            self._busy.remove(process)
            if not process.exited and not self._idle:
                self._idle.append(process)
            else:
                process.kill()
                self._keep_one()
            self._changed.notify()

    def _keep_one(self) -> None:
        """Remove processes that died while idle, and start one if there is none."""
        for process in [process for process in self._idle if process.exited]:
            process.kill()
            self._idle.remove(process)
        if not self._idle and not self._busy:
            self._start_another()

    def _start_another(self) -> None:
        if len(self._idle) + len(self._busy) < MAX_PROCESSES:
            self._idle.append(Process())


@cache
def renderer() -> Renderer:
    """Return the renderer of this worker."""
    return Renderer()
