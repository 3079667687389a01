"""The commands of ``%power`` that are about pulls and the hub."""

from __future__ import annotations

import argparse
import getpass
import time
from collections.abc import Sequence
from typing import Any

from IPython.core.error import StdinNotImplementedError, UsageError
from IPython.display import display
from msgspec import UNSET

from ..contract.errors import PowerError
from ..contract.types import PullStatus
from ..display import pull_progress
from . import render
from .pull_display import after, place
from .render import Output
from .session import Session


def pull(session: Session, arguments: argparse.Namespace) -> Output | None:
    """Pulls, and shows how that goes. An interrupt pauses the pull.

    Raises
    ------
    PowerError
    """
    if arguments.token:
        display(
            render.note(
                "The token is now in this notebook and its history. Remove it, and use "
                "%power login, which stores it outside."
            )
        )
    options = {name: getattr(arguments, name) for name in ("token", "force", "revision")}
    if arguments.background:
        status = session.client.pull_in_background(arguments.name, **options)
        return render.note(f"{_state(status)}. %power pulls shows how it does.")
    _follow(session, arguments.name, options)
    return None


def _follow(session: Session, name: str, options: dict[str, Any]) -> None:
    client = session.client
    status = PullStatus(name=name, status="pulling", started_at=time.time())
    with place(client, in_notebook=session.in_notebook) as show:
        try:
            for event in client.pull(name, **options):
                if event["status"] == "already_exists":
                    display(render.note(f"{name} is here already; --force verifies it."))
                    return
                status = after(status, event)
                show(status)
        except KeyboardInterrupt:
            status = client.pause_pull(name)
            show(status)
        except PowerError:
            show(after(status, {"status": "failed"}))
            raise
    if status.status == "paused":
        hint = f"Run this again to go on, or %power cancel {name} to remove what is here."
        display(render.note(hint))


def pulls(session: Session, arguments: argparse.Namespace) -> Output:
    return table(session.client.pulls())


def pause(session: Session, arguments: argparse.Namespace) -> Output:
    status = session.client.pause_pull(arguments.pull)
    more = f" %power pull {status.name} goes on." if status.status == "paused" else ""
    return render.note(f"{_state(status)}.{more}")


def cancel(session: Session, arguments: argparse.Namespace) -> Output:
    status = session.client.cancel_pull(arguments.pull, keep_partial=arguments.keep_partial)
    return render.note(f"{_state(status)}.")


def login(session: Session, arguments: argparse.Namespace) -> Output:
    """Store a token of the hub where huggingface_hub keeps it; it never gets into the notebook."""
    import huggingface_hub

    try:
        token = getpass.getpass("Token of the Hugging Face Hub: ").strip()
    except StdinNotImplementedError:
        raise UsageError(
            "Nobody can be asked for a token here. Run `hf auth login` in a terminal, or set "
            "HF_TOKEN for the server."
        ) from None
    if not token:
        raise UsageError("No token was given. Make one: https://huggingface.co/settings/tokens")
    try:
        huggingface_hub.login(token, skip_if_logged_in=False)
    except (ValueError, OSError) as error:  # refused; the hub cannot be reached
        reason = str(error).replace(token, "...").partition("\n")[0]
        raise UsageError(f"The hub did not take the token: {reason}") from None
    path = huggingface_hub.constants.HF_TOKEN_PATH
    return render.note(f"The hub takes the token. It is stored in {path}, for all pulls.")


def table(found: Sequence[PullStatus]) -> Output:
    """``%power pulls``."""
    rows = [
        (status.name, pull_progress.word(status), pull_progress.facts(status), _more(status))
        for status in found
    ]
    return render.table(
        ("Name", "Status", "Progress", "More"),
        rows,
        empty="Nothing was pulled yet. Pull a model: %power pull owner/repo:TAG",
    )


def _state(status: PullStatus) -> str:
    facts = pull_progress.facts(status)
    return f"{status.name} is {pull_progress.word(status)}" + (f" ({facts})" if facts else "")


def _more(status: PullStatus) -> str:
    if status.error is not UNSET:
        return str(status.error.get("message", ""))
    return "" if status.note is UNSET else status.note
