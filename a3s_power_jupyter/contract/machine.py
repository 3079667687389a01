"""Recognize this machine, also after its host name has changed, as with each new network."""

from __future__ import annotations

import hashlib
import socket
import uuid
from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PROCESS_IDS = Path("/proc/self/ns/pid")


@cache
def machine_id() -> str:
    """Return an identifier of the place in which process ids of this process are valid.

    On Linux, these are a boot and a namespace of process ids, since containers of one machine each
    have their own. Elsewhere, it is the hardware. It tells nothing about the machine.
    """
    try:
        parts = [_BOOT_ID.read_text().strip(), str(_PROCESS_IDS.readlink())]
    except OSError:  # another system
        parts = [f"{uuid.getnode():x}"]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:32]


def is_this_machine(hostname: str | None, machine: str | None) -> bool:
    """Return whether a process with this host name and `machine_id` runs on this machine.

    The host name alone decides for an older server, which does not know its `machine_id`, and
    after a change of the hardware.
    """
    return hostname == socket.gethostname() or (machine is not None and machine == machine_id())
