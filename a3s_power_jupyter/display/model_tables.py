"""Render models, their loads and estimates as text for terminals and HTML for notebooks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from msgspec import UNSET, UnsetType

from ..contract.types import Estimate, LoadPhase, Model, Removable, UpstreamStatus
from . import activity, formatting
from .output import Gauge, Output, facts, note, stack, table

#: llama.cpp rounds context lengths up to a multiple of it, in tokens.
CONTEXT_STEP = 256


def state(model: Model, *, now: float | None = None) -> str:
    """Describe a model's state: ``loaded, 4 min left``. `now` is a Unix time."""
    expiry = _expiry(model, time.time() if now is None else now, "{} left")
    return ", ".join(filter(None, (activity.state(model), expiry)))


def _expiry(model: Model, now: float, text: str) -> str:
    """Describe how long a model stays loaded; `text` has a place for the time until its unload."""
    if model.pinned:
        return "pinned"
    if model.state != "loaded":
        return ""
    if model.expires_at is UNSET:
        return "does not expire"
    return text.format(formatting.duration(model.expires_at - now))


def loading(name: str, phase: LoadPhase, fraction: float) -> str:
    """Describe the progress of a load; `fraction` is from 0 to 1."""
    if phase == "converting":
        return f"Converting {name} to GGUF (first load only): {fraction:.0%}"
    return f"Loading {name}: {fraction:.0%}"


def loaded(model: Model, *, seconds: float) -> str:
    """Describe a model that was loaded in `seconds`."""
    device = "" if model.device is UNSET else f"on {model.device}"
    context = "" if model.num_ctx is UNSET else f"{model.num_ctx} tokens of context"
    expiry = _expiry(model, time.time(), "unloads in {}")
    details = ", ".join(filter(None, (device, context, expiry)))
    text = f"Loaded {model.id} in {seconds:.1f} s: {details}."
    return " ".join((text, *_notes(model)))


def estimate(found: Estimate) -> Output:
    """Render what a load would take."""
    names = ("weights", "cache", "buffers", "other", "total", "free")
    pairs = ((name.capitalize(), formatting.size(getattr(found, name))) for name in names)
    sizes = facts(pairs, numbers=True)
    notes = [_fits(found), *_context_limit(found)]
    if found.gpu_layers is not UNSET:
        layers = "All" if found.gpu_layers < 0 else str(found.gpu_layers)
        free = sum(d.memory_free for d in found.devices if d.memory_free is not UNSET)
        notes.append(f"{layers} layers go to the GPU, which has {formatting.size(free)} free.")
    return stack([sizes, note(" ".join(notes))])


def _context_limit(found: Estimate) -> Iterator[str]:
    """Say how long the context can be, and whether memory or the training is the limit."""
    largest, trained = found.largest_num_ctx, found.context_length
    if found.fits and trained is not UNSET and found.num_ctx >= trained + CONTEXT_STEP:
        yield f"It was trained with {trained} tokens. Its answers get worse beyond them."
    elif largest is not UNSET and largest == trained:
        yield f"It was trained with {trained} tokens, and all of them fit."
    elif largest is not UNSET:
        of_trained = "" if trained is UNSET else f", of the {trained} that it was trained with"
        yield f"The largest context that fits has {largest} tokens{of_trained}."


def _fits(found: Estimate) -> str:
    what = f"{found.id} with {found.num_ctx} tokens of context"
    if not found.fits:
        return f"{what} does not fit."
    if found.evicts:
        return f"{what} fits after these models are unloaded: {', '.join(found.evicts)}."
    if found.waits:
        return f"{what} fits once models that are in use become idle."
    return f"{what} fits."


def models(registered: Sequence[Model], *, empty: str = "No models yet.") -> Output:
    """Render a table of all models, or the sentence `empty`."""
    rows = [
        (
            model.id,
            formatting.format_of(model),
            formatting.size(model.size_bytes) if model.size_bytes else "",
            formatting.parameters_of(model),
            "" if model.context_length is UNSET else str(model.context_length),
            # Nearly all models complete text.
            ", ".join(name for name in model.capabilities if name != "completion"),
            state(model),
        )
        for model in registered
    ]
    headers = ("Name", "Format", "Size", "Parameters", "Context", "Capabilities", "State")
    return table(headers, rows, empty=empty, numbers=("Size", "Parameters", "Context"))


def processes(loaded: Sequence[Model]) -> Output:
    """Render a table of the models in memory."""
    rows = [
        (
            model.id,
            state(model),
            activity.speed(model),
            _size(model.memory_bytes),
            _size(model.prompt_cache_bytes),
            _available(model) or ("" if model.device is UNSET else model.device),
            _context_in_use(model),
        )
        for model in loaded
    ]
    headers = ("Name", "State", "Speed", "Memory", "Warm", "Device", "Context")
    return table(
        headers,
        rows,
        empty="No models are loaded. The first request loads its model.",
        numbers=("Speed", "Memory", "Warm", "Context"),
    )


def removables(files: Sequence[Removable]) -> Output:
    """Render a table of files that no model uses."""
    rows = [(i.kind.replace("_", " "), i.name, formatting.size(i.size)) for i in files]
    empty = "There are no unused files."
    return table(("Kind", "Name", "Size"), rows, empty=empty, numbers=("Size",))


def _size(count: int | UnsetType) -> str:
    return formatting.size(count) if count else ""


def _memory(model: Model) -> str:
    warm = activity.warm(model)
    return _size(model.memory_bytes) + (f" ({warm})" if warm else "")


def _context_in_use(model: Model) -> str:
    share = activity.cache_share(model)
    if share is None:
        return "" if model.num_ctx is UNSET else str(model.num_ctx)
    return Gauge(activity.cache(model), share)


def details(model: Model) -> Output:
    """Render all that is known about a model."""
    of_files = model.generation_defaults
    defaults = {
        name: getattr(parameters, name)
        for parameters in (of_files, model.default_parameters)  # the last one takes precedence
        if parameters is not UNSET
        for name in parameters.__struct_fields__
        if getattr(parameters, name) is not UNSET
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
            ("Capabilities", ", ".join(model.capabilities)),
            ("Defaults", ", ".join(f"{name}={value}" for name, value in defaults.items())),
            ("Memory", _memory(model)),
            ("Speed", activity.speed(model)),
            ("Cache", activity.cache_details(model)),
            ("Device", "" if model.device is UNSET else model.device),
            ("Engine", "" if model.engine is UNSET else model.engine),
            ("Notes", " ".join(_notes(model))),
            ("File", "" if source.path is UNSET else source.path),
            ("Reference", "" if source.reference is UNSET else source.reference),
            *_upstreams(model),
            ("SHA-256", "" if model.sha256 is UNSET else model.sha256),
        )
    )


def _upstreams(model: Model) -> list[tuple[str, str]]:
    """Return the servers behind a remote model; each with its state, if there are several."""
    if model.upstreams is UNSET:
        return [
            ("Upstream", "" if model.upstream is UNSET else ", ".join(model.upstream.base_urls))
        ]
    return [("Upstream", f"{s.base_url}: {_upstream_state(s)}") for s in model.upstreams]


def _upstream_state(server: UpstreamStatus) -> str:
    error = "" if server.error is UNSET else str(server.error.get("message", ""))
    parts = (
        server.state,
        f"{server.requests_running} running" if server.requests_running else "",
        f"{server.failures} failed" if server.failures else "",
    )
    state = ", ".join(filter(None, parts))
    return f"{state}. {error}" if error else state


def _available(model: Model) -> str:
    """Return how many of several upstreams answer: ``1 of 2 upstreams``."""
    if model.upstreams is UNSET:
        return ""
    count = sum(server.state != "failed" for server in model.upstreams)
    return f"{count} of {len(model.upstreams)} upstreams"


def _notes(model: Model) -> tuple[str, ...]:
    return () if model.notes is UNSET else model.notes


def _context(model: Model) -> str:
    trained = "" if model.context_length is UNSET else f"{model.context_length} tokens trained"
    loaded = "" if model.num_ctx is UNSET else f"{model.num_ctx} loaded"
    return ", ".join(part for part in (trained, loaded) if part)
