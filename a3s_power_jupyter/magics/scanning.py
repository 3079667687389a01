"""``%power scan``: models of other programs on the server's machine."""

from __future__ import annotations

import argparse
import shlex

from msgspec import UNSET

from ..contract.types import LocalModel
from ..display import formatting, output
from ..display.output import Output
from .session import Session


def scan(session: Session, arguments: argparse.Namespace) -> Output:
    """List models of other programs, each with the command that registers it."""
    found = session.client.local_models()
    rows = [
        (
            _register(model),
            formatting.size(model.size_bytes),
            model.format,
            model.source,
        )
        for model in found.data
    ]
    empty = "There are no models of the Hugging Face Hub's cache, LM Studio or Ollama."
    outputs = [output.table(("Command", "Size", "Format", "From"), rows, empty=empty)]
    if rows:
        outputs.append(
            output.note("Nothing is copied: the files stay where they are. --copy copies them.")
        )
    outputs += [
        output.note(f"Models may be missing from {problem.path}: {problem.reason}")
        for problem in found.problems
    ]
    return output.stack(outputs)


def _register(model: LocalModel) -> str:
    if model.installed is not None:
        return f"registered as {model.installed}"
    words = [model.name, model.path]
    if model.mmproj is not UNSET:
        words += ["--mmproj", model.mmproj]
    return f"%power register {shlex.join(words)}"
