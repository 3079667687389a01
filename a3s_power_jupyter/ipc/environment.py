"""The environment variables of child processes: those of the server, without its secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from ..contract.redaction import has_credentials, is_secret_name

#: What huggingface_hub reads as the token of the hub.
_HUB_TOKENS = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}

#: How often a waiting thread of GNU OpenMP checks whether it may go on, before it sleeps. A check
#: takes about 24 ns. The default of 300,000 is longer than a time slice, so a thread that waits for
#: another one on the same core keeps it from running. 20,000 is still longer than the 0.3 ms
#: between two tokens of a single request, so that the threads do not sleep on an idle machine.
SPIN_COUNT = "20000"

#: Returns the environment of a new process.
Environment = Callable[[], dict[str, str]]


def pull_environment(upstream_keys: str = "") -> dict[str, str]:
    """Return the environment of a pull, which has the hub's token and the addresses of proxies.

    Parameters
    ----------
    upstream_keys : str
        Regular expression that matches the names of variables with keys of upstreams
        (`PowerApp.upstream_key_pattern`).
    """
    secret = re.compile(upstream_keys).fullmatch
    return _environment(
        lambda name, _value: name not in _HUB_TOKENS and bool(is_secret_name(name) or secret(name))
    )


def offline_environment(upstream_keys: str = "") -> dict[str, str]:
    """Return the environment of a process that makes no connections; see `pull_environment`.

    It has no variables whose value is a URL with a password, such as the address of a proxy.
    """
    secret = re.compile(upstream_keys).fullmatch
    environment = _environment(
        lambda name, value: bool(is_secret_name(name) or secret(name) or has_credentials(value))
    )
    environment["HF_HUB_OFFLINE"] = "1"
    # Otherwise ggml starts a debugger when it aborts, whose output hides the reason.
    environment.setdefault("GGML_NO_BACKTRACE", "1")
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
    return environment


def _environment(hidden: Callable[[str, str], bool]) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if not hidden(name, value)}
    # Keep the working directory off `sys.path`: a notebook folder may contain a module that shadows
    # one of the standard library.
    environment["PYTHONSAFEPATH"] = "1"
    return environment
