"""Commands of ``%power``, one function each. The commands for pulls are in `pulling`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from IPython.core.error import UsageError
from IPython.display import display
from msgspec import UNSET

from ..contract.errors import PowerError
from ..display import formatting, model_tables, output
from ..display.output import Output
from . import suggestions
from .interrupts import interrupted
from .live_text import live_text, write
from .session import Session

#: Size in bytes from which hashing takes long enough to announce it.
LARGE_FILE = 500_000_000


def status(session: Session, arguments: argparse.Namespace) -> Output:
    """``%power``: show the server, the models in memory and where to find help."""
    client = session.client
    loaded = client.ps()
    facts = output.facts(
        (
            ("Server", session.server_description),
            ("Models", str(len(client.models()))),
            ("Default model", session.model or ""),
        )
    )
    hint = output.note(
        "%%power NAME sends the cell to a model. %power pull downloads one, %power search finds "
        "one on the hub, and %power register adds one from a file. %power help lists all commands."
    )
    return output.stack([facts, model_tables.processes(loaded), hint])


def register(session: Session, arguments: argparse.Namespace) -> Output:
    if arguments.path:
        _announce_hashing(Path(arguments.path).expanduser())
    upstream = _upstream(arguments)
    if upstream is None and not arguments.path:
        raise UsageError(
            "PATH is missing. Give the GGUF file or the directory of the model, or --upstream-url "
            "and --upstream-model for a remote model."
        )
    is_remote = upstream is not None and not arguments.path
    model = session.client.register(
        arguments.name,
        arguments.path,
        format=arguments.format or ("remote" if is_remote else None),
        default_parameters=dict(arguments.parameters) or None,
        copy=arguments.copy,
        overwrite=arguments.overwrite,
        upstream=upstream,
        mmproj=arguments.mmproj,
    )
    return model_tables.details(model)


def _announce_hashing(path: Path) -> None:
    files = path.glob("*.safetensors") if path.is_dir() else [path]
    size = sum(file.stat().st_size for file in files if file.is_file())
    if size >= LARGE_FILE:
        display(
            output.note(f"Hashing {path.name} ({formatting.size(size)}). This may take a while.")
        )


def _upstream(arguments: argparse.Namespace) -> dict[str, str | list[str]] | None:
    urls = arguments.upstream_url
    fields = {
        "base_url": urls[0] if urls and len(urls) == 1 else urls,
        "model": arguments.upstream_model,
        "api_key_env": arguments.api_key_env,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    if given and not (urls and all(urls) and arguments.upstream_model):
        raise UsageError("A remote model needs --upstream-url and --upstream-model.")
    return given or None


def models(session: Session, arguments: argparse.Namespace) -> Output | None:
    """Show the widget with all models; in a terminal, the same table as ``%power list``."""
    if not session.in_notebook:
        return list_models(session, arguments)
    display(session.client.table())
    return None


def list_models(session: Session, arguments: argparse.Namespace) -> Output:
    registered = session.client.models()
    if not registered:
        return suggestions.no_models(session.client)
    return model_tables.models(registered)


def show(session: Session, arguments: argparse.Namespace) -> Output:
    model = session.client.show(arguments.model, template=arguments.template)
    details = model_tables.details(model)
    if not arguments.template:
        return details
    text = "The model has no chat template." if model.template is UNSET else model.template
    return output.stack([details, output.preformatted(text)])


def change(session: Session, arguments: argparse.Namespace) -> Output:
    """Change default parameters of a model; the value ``null`` removes one."""
    if not arguments.parameters:
        raise UsageError(
            "Give the parameters to change: %power set NAME -p temperature=0.2 -p num_ctx=null"
        )
    return model_tables.details(
        session.client.update(arguments.model, **dict(arguments.parameters))
    )


def remove(session: Session, arguments: argparse.Namespace) -> Output:
    freed = session.client.delete(arguments.model, force=arguments.force)
    if session.model == arguments.model:
        session.model = None
    session.conversations.pop(arguments.model, None)
    disk = f"Freed {formatting.size(freed)}." if freed else "Its files were kept."
    return output.note(f"Deleted {arguments.model}. {disk}")


def load(session: Session, arguments: argparse.Namespace) -> Output | None:
    """Load a model, showing its progress and then the loaded model in one display.

    With ``--dry-run``, show what that would take.
    """
    name = arguments.model
    if arguments.dry_run:
        parameters = dict(arguments.parameters)
        if arguments.keep_alive is not None:
            parameters["keep_alive"] = arguments.keep_alive
        return model_tables.estimate(session.client.estimate(name, **parameters))
    started = time.monotonic()
    with live_text(session.in_notebook) as text:
        try:
            model = session.client.load(
                name,
                keep_alive=arguments.keep_alive,
                progress=lambda phase, fraction: text.update(
                    model_tables.loading(name, phase, fraction)
                ),
                **dict(arguments.parameters),
            )
        except KeyboardInterrupt:
            raise interrupted(
                f"Interrupted. The load of {name} stops, unless another request waits for it."
            ) from None
        text.update(model_tables.loaded(model, seconds=time.monotonic() - started))
    return None


def unload(session: Session, arguments: argparse.Namespace) -> Output:
    session.client.unload(arguments.model, force=arguments.force)
    return output.note(f"Unloaded {arguments.model}.")


def pin(session: Session, arguments: argparse.Namespace) -> Output:
    session.client.pin(arguments.model)
    return output.note(f"Pinned {arguments.model}. It stays in memory once it is loaded.")


def unpin(session: Session, arguments: argparse.Namespace) -> Output:
    session.client.unpin(arguments.model)
    return output.note(f"Unpinned {arguments.model}.")


def ps(session: Session, arguments: argparse.Namespace) -> Output:
    return model_tables.processes(session.client.ps())


def use(session: Session, arguments: argparse.Namespace) -> Output:
    if arguments.model:
        session.model = session.client.show(arguments.model).id
    return output.note(f"%%power uses {session.chat_model(None)}.")


def gc(session: Session, arguments: argparse.Namespace) -> Output:
    removable = session.client.gc(dry_run=not arguments.delete)
    table = model_tables.removables(removable)
    if not removable:
        return table
    total = formatting.size(sum(item.size for item in removable))
    result = f"Freed {total}." if arguments.delete else f"%power gc --delete frees {total}."
    return output.stack([table, output.note(result)])


def doctor(session: Session, arguments: argparse.Namespace) -> Output:
    """Show the server's setup and how to improve it."""
    return session.client.health().shown(("Server", session.server_description))


def traceback(session: Session, arguments: argparse.Namespace) -> None:
    """Show the whole traceback of the last error, also of one of these commands."""
    error = getattr(sys, "last_value", None)
    if isinstance(error, UsageError) and isinstance(error.__context__, PowerError):
        error = error.__context__  # what the command failed with
    if error is None:
        raise UsageError("There was no error yet.")
    formatter = session.shell.InteractiveTB
    lines = formatter.structured_traceback(type(error), error, error.__traceback__)
    write("\n".join(lines) + "\n")
