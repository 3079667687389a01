"""The commands of ``%power``: one function each, from parsed words to what is shown."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from IPython.core.error import UsageError
from IPython.display import display
from msgspec import UNSET

from ..client import Client
from ..contract.types import Device, EngineStatus
from ..display import formatting
from . import render
from .live import live
from .render import Output
from .session import Session

#: Bytes from which on hashing takes long enough to say so.
BIG_FILE = 500_000_000


def status(session: Session, arguments: argparse.Namespace) -> Output:
    """``%power``: where the models are, and what can be done next."""
    client = session.client
    running = client.ps()
    facts = render.facts(
        (
            ("Server", f"{client.server.url} ({client.server.found})"),
            ("Models", str(len(client.models()))),
            ("Asked by %%power", session.model or ""),
        )
    )
    more = render.note("%power help lists the commands; %%power NAME asks a model.")
    return render.stack([facts, render.processes(running), more])


def register(session: Session, arguments: argparse.Namespace) -> Output:
    if arguments.path:
        _announce_hashing(Path(arguments.path).expanduser())
    model = session.client.register(
        arguments.name,
        arguments.path,
        format=arguments.format,
        default_parameters=dict(arguments.parameters) or None,
        copy=arguments.copy,
        overwrite=arguments.overwrite,
        upstream=_upstream(arguments),
        mmproj=arguments.mmproj,
    )
    return render.details(model)


def _announce_hashing(path: Path) -> None:
    files = path.glob("*.safetensors") if path.is_dir() else [path]
    count = sum(file.stat().st_size for file in files if file.is_file())
    if count >= BIG_FILE:
        display(
            render.note(f"Hashing {path.name} ({formatting.size(count)}) once; this takes a while.")
        )


def _upstream(arguments: argparse.Namespace) -> dict[str, str] | None:
    fields = {
        "base_url": arguments.upstream_url,
        "model": arguments.upstream_model,
        "api_key_env": arguments.api_key_env,
    }
    given = {name: value for name, value in fields.items() if value}
    if given and not (arguments.upstream_url and arguments.upstream_model):
        raise UsageError("A remote model needs --upstream-url and --upstream-model.")
    return given or None


def models(session: Session, arguments: argparse.Namespace) -> Output | None:
    """The table that lives; in a terminal the one of ``%power list``."""
    if not session.in_notebook:
        return list_models(session, arguments)
    display(session.client.table())
    return None


def list_models(session: Session, arguments: argparse.Namespace) -> Output:
    return render.models(session.client.models())


def show(session: Session, arguments: argparse.Namespace) -> Output:
    return render.details(session.client.show(arguments.model))


def remove(session: Session, arguments: argparse.Namespace) -> Output:
    freed = session.client.delete(arguments.model, force=arguments.force)
    if session.model == arguments.model:
        session.model = None
    session.conversations.pop(arguments.model, None)
    what = f"freed {formatting.size(freed)}" if freed else "its file stays where it is"
    return render.note(f"{arguments.model} is forgotten; {what}.")


def load(session: Session, arguments: argparse.Namespace) -> None:
    """Shows the progress, and then the model, in one place."""
    name = arguments.model
    started = time.monotonic()
    with live(session.in_notebook) as place:
        model = session.client.load(
            name,
            keep_alive=arguments.keep_alive,
            progress=lambda phase, done: place.update(render.loading(name, phase, done)),
            **dict(arguments.parameters),
        )
        place.update(render.loaded(model, seconds=time.monotonic() - started))


def unload(session: Session, arguments: argparse.Namespace) -> Output:
    session.client.unload(arguments.model, force=arguments.force)
    return render.note(f"{arguments.model} is unloaded.")


def pin(session: Session, arguments: argparse.Namespace) -> Output:
    session.client.pin(arguments.model)
    return render.note(f"{arguments.model} is pinned: once loaded, it stays.")


def unpin(session: Session, arguments: argparse.Namespace) -> Output:
    session.client.unpin(arguments.model)
    return render.note(f"{arguments.model} is no longer pinned.")


def ps(session: Session, arguments: argparse.Namespace) -> Output:
    return render.processes(session.client.ps())


def use(session: Session, arguments: argparse.Namespace) -> Output:
    if arguments.model:
        session.model = session.client.show(arguments.model).id
    return render.note(f"%%power asks {session.chat_model(None)}.")


def gc(session: Session, arguments: argparse.Namespace) -> Output:
    found = session.client.gc(dry_run=not arguments.delete)
    rows = [(item.kind.replace("_", " "), item.name, formatting.size(item.size)) for item in found]
    listing = render.table(("Kind", "Name", "Size"), rows, empty="Nothing is left over.")
    if not found:
        return listing
    total = formatting.size(sum(item.size for item in found))
    done = "are freed" if arguments.delete else "would be freed by %power gc --delete"
    return render.stack([listing, render.note(f"{total} {done}.")])


def doctor(session: Session, arguments: argparse.Namespace) -> Output:
    """How the server does, and what would make it better."""
    client = session.client
    health = client.health()
    uptime = formatting.duration(health.uptime_seconds)
    parts = [
        render.facts(
            (
                *_server(client),
                (
                    "Version",
                    f"{health.version}, up for {uptime}",
                ),
                ("Store", health.home),
                ("Loaded", ", ".join(health.loaded_models) or "nothing"),
                *((f"Device {device.name}", _device(device)) for device in health.devices),
                *((f"Engine {name}", _engine(e)) for name, e in health.engines.items()),
            )
        )
    ]
    parts += [render.note(hint) for hint in health.hints]
    parts += [
        render.note(f"The manifest {problem.file} cannot be read: {problem.reason}")
        for problem in health.problems
    ]
    if not health.hints and not health.problems:
        parts.append(render.note("All is well."))
    return render.stack(parts)


def _server(client: Client) -> tuple[tuple[str, str], ...]:
    return (("Server", client.server.url), ("Found as", client.server.found))


def _device(device: Device) -> str:
    parts = [] if device.name.lower() == device.kind else [device.kind.upper()]
    if device.description is not UNSET:
        parts.append(device.description)
    if device.memory_total is not UNSET:
        parts.append(f"{formatting.size(device.memory_total)} of memory")
    if device.memory_free is not UNSET:
        parts.append(f"{formatting.size(device.memory_free)} free")
    return ", ".join(parts)


def _engine(engine: EngineStatus) -> str:
    if not engine.available:
        return "not available" + ("" if engine.reason is UNSET else f": {engine.reason}")
    parts = ["ready" if engine.version is UNSET else f"version {engine.version}"]
    if engine.gpu is not UNSET:
        parts.append("built for a GPU" if engine.gpu else "built for CPUs only")
    if engine.formats:
        parts.append("runs " + ", ".join(engine.formats))
    return ", ".join(parts)
