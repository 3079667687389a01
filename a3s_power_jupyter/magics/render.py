"""What commands show, as text for terminals and as Markdown for notebooks."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec import UNSET

from ..contract.types import LoadPhase, Model
from ..display import formatting


@dataclass(frozen=True)
class Output:
    """What a command shows; the front end takes the form it likes best."""

    text: str
    markdown: str

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return self.markdown


def note(text: str) -> Output:
    """One or more plain sentences."""
    return Output(text, escape(text))


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> Output:
    """Rows under headers; the sentence `empty` where there are none."""
    if not rows:
        return note(empty)
    lines = [headers, ["---"] * len(headers), *([escape(cell) for cell in row] for row in rows)]
    markdown = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return Output(formatting.columns((headers, *rows)), markdown)


def facts(pairs: Iterable[tuple[str, str]]) -> Output:
    """Names and values, one below the other; pairs without a value are left out.

    The first pair always has one: Markdown's tables need a head.
    """
    known = [(name, value) for name, value in pairs if value]
    width = max(len(name) for name, _ in known)
    text = "\n".join(f"{name.ljust(width)}  {value}" for name, value in known)
    rows = [f"| {escape(name)} | {escape(value)} |" for name, value in known]
    markdown = "\n".join([rows[0], "|---|---|", *rows[1:]])
    return Output(text, markdown)


def stack(outputs: Iterable[Output]) -> Output:
    """One below the other."""
    parts = list(outputs)
    return Output(
        "\n\n".join(part.text for part in parts), "\n\n".join(part.markdown for part in parts)
    )


_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~#$])")


def escape(text: str) -> str:
    """`text` as Markdown that shows it as it is, in one table cell too."""
    return _SPECIAL.sub(r"\\\1", text).replace("\n", " ")


def state(model: Model, *, now: float | None = None) -> str:
    """How a model does, in words: ``loaded, expires in 4 min``. `now` is a unix time."""
    word = str(model.state)
    if model.state == "loading" and model.progress is not UNSET:
        word = f"{word if model.phase is UNSET else model.phase} {model.progress:.0%}"
    return ", ".join(filter(None, (word, _expiry(model, time.time() if now is None else now))))


def _expiry(model: Model, now: float) -> str:
    if model.pinned:
        return "pinned"
    if model.state != "loaded":
        return ""
    if model.expires_at is UNSET:
        return "does not expire"
    return f"expires in {formatting.duration(model.expires_at - now)}"


def loading(name: str, phase: LoadPhase, done: float) -> str:
    """Markdown for a phase of a load that is `done` from 0 to 1."""
    if phase == "converting":
        return escape(f"Converting {name} to GGUF, this once: {done:.0%}")
    return escape(f"Loading {name}: {done:.0%}")


def loaded(model: Model, *, seconds: float) -> str:
    """Markdown for a load that took `seconds`."""
    device = "" if model.device is UNSET else f"on {model.device}"
    context = "" if model.num_ctx is UNSET else f"{model.num_ctx} tokens of context"
    facts = ", ".join(filter(None, (device, context, _expiry(model, time.time()))))
    text = f"Loaded {model.id} in {seconds:.1f} s: {facts}."
    return escape(" ".join((text, *_notes(model))))


def models(found: Sequence[Model]) -> Output:
    """``%power list``."""
    rows = [
        (
            model.id,
            formatting.format_of(model),
            formatting.size(model.size_bytes) if model.size_bytes else "",
            formatting.parameters_of(model),
            "" if model.context_length is UNSET else str(model.context_length),
            state(model),
        )
        for model in found
    ]
    headers = ("Name", "Format", "Size", "Parameters", "Context", "State")
    return table(headers, rows, empty="No models yet. Add one: %power register NAME PATH")


def processes(found: Sequence[Model]) -> Output:
    """``%power ps``."""
    rows = [
        (
            model.id,
            state(model),
            "" if model.memory_bytes is UNSET else formatting.size(model.memory_bytes),
            "" if model.device is UNSET else model.device,
            "" if model.num_ctx is UNSET else str(model.num_ctx),
        )
        for model in found
    ]
    headers = ("Name", "State", "Memory", "Device", "Context")
    return table(headers, rows, empty="Nothing is in memory; the first question loads its model.")


def details(model: Model) -> Output:
    """``%power show``."""
    defaults = {
        name: getattr(model.default_parameters, name)
        for name in model.default_parameters.__struct_fields__
        if getattr(model.default_parameters, name) is not UNSET
    }
    source = model.source
    family = model.parameters.family
    return facts(
        (
            ("Name", model.id),
            ("State", state(model)),
            ("Error", "" if model.error is UNSET else str(model.error.get("message", ""))),
            ("Format", formatting.format_of(model)),
            ("Family", "" if family is UNSET else family),
            ("Parameters", formatting.parameters_of(model)),
            ("Size", formatting.size(model.size_bytes) if model.size_bytes else ""),
            ("Context", _context(model)),
            ("Can do", ", ".join(model.capabilities)),
            ("Defaults", ", ".join(f"{name}={value}" for name, value in defaults.items())),
            ("Memory", "" if model.memory_bytes is UNSET else formatting.size(model.memory_bytes)),
            ("Device", "" if model.device is UNSET else model.device),
            ("Engine", "" if model.engine is UNSET else model.engine),
            ("Notes", " ".join(_notes(model))),
            ("File", "" if source.path is UNSET else source.path),
            ("From", "" if source.reference is UNSET else source.reference),
            ("Behind it", "" if model.upstream is UNSET else model.upstream.base_url),
            ("SHA-256", "" if model.sha256 is UNSET else model.sha256),
        )
    )


def _notes(model: Model) -> tuple[str, ...]:
    return () if model.notes is UNSET else model.notes


def _context(model: Model) -> str:
    trained = "" if model.context_length is UNSET else f"{model.context_length} tokens trained"
    loaded = "" if model.num_ctx is UNSET else f"{model.num_ctx} loaded"
    return ", ".join(part for part in (trained, loaded) if part)
