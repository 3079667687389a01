"""Parameters for loading and querying models, and their validation.

Names and meanings follow Ollama's Modelfile parameters and llama.cpp's options. The range of the
penalties is that of the OpenAI API. Upper limits are far above any useful value; they turn a typo
into an error instead of a failed allocation.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType

from .errors import InvalidISQ, InvalidKeepAlive, InvalidParameter
from .field_errors import explain, joined
from .lenient import lenient, struct_fields
from .text import MAX_QUOTED, quoted

T = TypeVar("T")

PositiveInt = Annotated[int, Meta(ge=1, le=2**31 - 1)]
NaturalInt = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Penalty = Annotated[float, Meta(ge=-2.0, le=2.0)]
RepeatPenalty = Annotated[float, Meta(ge=0.01, le=10.0)]
Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
#: Number of last tokens; -1 for all.
LastTokens = Annotated[int, Meta(ge=-1, le=2**31 - 1)]

#: Ranges of llama.cpp's samplers. Those without a limit there have one far above useful values.
TopNSigma = Annotated[float, Meta(ge=-1.0, le=1000.0)]
DynatempRange = Annotated[float, Meta(ge=0.0, le=100.0)]
DynatempExponent = Annotated[float, Meta(ge=0.0, le=100.0)]
Mirostat = Literal[0, 1, 2]
MirostatTau = Annotated[float, Meta(ge=0.0, le=100.0)]
MirostatEta = Annotated[float, Meta(ge=0.0, le=10.0)]
DryMultiplier = Annotated[float, Meta(ge=0.0, le=100.0)]
DryBase = Annotated[float, Meta(ge=1.0, le=100.0)]

#: Sequence breakers of DRY. Looking for them in all tokens of a large vocabulary takes seconds for
#: more or longer ones.
DryBreakers = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=20)]], Meta(max_length=16)
]

#: Most prompts of a completion, and texts to embed, in one request: the limit of OpenAI's
#: embeddings.
MAX_INPUTS = 2048

#: A stop string, and most of them in one request. Longer ones would hold back the text of a stream.
StopString = Annotated[str, Meta(max_length=4096)]
MAX_STOPS = 64
StopStrings = Annotated[list[StopString], Meta(max_length=MAX_STOPS)]

#: The temperature of a request, as in OpenAI's and Anthropic's API.
Temperature = Annotated[float, Meta(ge=0.0, le=2.0)]

Seed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]

#: Kinds of in-situ quantization (ISQ), in A3S Power's spelling. `canonical_isq` also accepts other
#: cases, and ``_K`` in place of ``K``.
ISQ_KINDS = ("Q4_0", "Q4K", "Q6K", "Q8_0", "HQQ4", "HQQ8", "none")

#: Kinds for which a model is converted to GGUF, and runs on llama.cpp.
GGML_KINDS = frozenset({"Q4_0", "Q4K", "Q6K", "Q8_0"})

#: Element types of llama.cpp's KV cache. Quantized types need flash attention.
KVCacheType = Literal["f32", "f16", "bf16", "q8_0", "q4_0"]

#: A `max_tokens` that does not limit the answer, also if the model's default parameters do.
NO_LIMIT = 2**31 - 1

#: A `seed` that means a random one, as for llama.cpp's server.
RANDOM_SEED = -1

#: Default context length in tokens, unless the model supports fewer. The KV cache is allocated in
#: full when a model is loaded, and the 128 k of recent models would take gigabytes.
DEFAULT_NUM_CTX = 8192


class SparseStruct(msgspec.Struct, frozen=True):
    """A struct with a repr that omits UNSET fields, as msgspec does in JSON."""

    def __repr__(self) -> str:
        fields = ((name, getattr(self, name)) for name in self.__struct_fields__)
        known = ", ".join(f"{name}={value!r}" for name, value in fields if value is not UNSET)
        return f"{type(self).__name__}({known})"


class LoadParameters(SparseStruct, frozen=True, forbid_unknown_fields=True):
    """Parameters that are fixed when a model is loaded.

    Attributes
    ----------
    isq : str
        One of `ISQ_KINDS`.
    num_ctx : int
        Context length of each request, in tokens. Default: the trained length, at most 8192.
    num_gpu : int
        Layers on the GPU; -1 for all, 0 for none. Default: -1 if llama.cpp has a GPU.
    main_gpu : int
        Index of the only GPU to use.
    tensor_split : list of float
        Share of each GPU, normalized by the sum.
    num_batch : int
        Tokens per step while a prompt is processed.
    num_thread : int
        CPU threads. Default: as many as there are physical cores that other programs leave free.
    num_parallel : int
        Requests processed at once. On llama.cpp, they share the memory of `num_ctx` tokens.
    chat_template : str
        Jinja template that replaces the model's own.
    """

    isq: str | UnsetType = UNSET
    num_ctx: Annotated[int, Meta(ge=16, le=2**24)] | UnsetType = UNSET
    num_gpu: Annotated[int, Meta(ge=-1, le=9999)] | UnsetType = UNSET
    main_gpu: NaturalInt | UnsetType = UNSET
    tensor_split: (
        Annotated[list[Annotated[float, Meta(ge=0.0, le=1e9)]], Meta(min_length=1, max_length=64)]
        | UnsetType
    ) = UNSET
    num_batch: Annotated[int, Meta(ge=1, le=65536)] | UnsetType = UNSET
    num_thread: Annotated[int, Meta(ge=1, le=1024)] | UnsetType = UNSET
    num_parallel: Annotated[int, Meta(ge=1, le=64)] | UnsetType = UNSET
    flash_attention: bool | UnsetType = UNSET
    use_mlock: bool | UnsetType = UNSET
    use_mmap: bool | UnsetType = UNSET
    kv_cache_type: KVCacheType | UnsetType = UNSET
    chat_template: Annotated[str, Meta(max_length=2**20)] | UnsetType = UNSET

    def context_length(self, trained: int) -> int:
        """Return `num_ctx`, or the default for a model with `trained` tokens of context.

        `trained` is 0 if the model does not state its context length.
        """
        if self.num_ctx is not UNSET:
            return self.num_ctx
        return min(trained or DEFAULT_NUM_CTX, DEFAULT_NUM_CTX)


class DefaultParameters(LoadParameters, frozen=True, forbid_unknown_fields=True):
    """The `default_parameters` of a model: load parameters, and defaults for its requests.

    Attributes
    ----------
    keep_alive : str, int or float
        Duration in a form that `parse_keep_alive` accepts.
    max_tokens : int
        Maximum length of an answer, in tokens.
    """

    keep_alive: str | int | float | UnsetType = UNSET
    temperature: Annotated[float, Meta(ge=0.0, le=100.0)] | UnsetType = UNSET
    top_p: Probability | UnsetType = UNSET
    top_k: NaturalInt | UnsetType = UNSET
    min_p: Probability | UnsetType = UNSET
    typical_p: Probability | UnsetType = UNSET
    top_n_sigma: TopNSigma | UnsetType = UNSET
    xtc_probability: Probability | UnsetType = UNSET
    xtc_threshold: Probability | UnsetType = UNSET
    dynatemp_range: DynatempRange | UnsetType = UNSET
    dynatemp_exponent: DynatempExponent | UnsetType = UNSET
    mirostat: Mirostat | UnsetType = UNSET
    mirostat_tau: MirostatTau | UnsetType = UNSET
    mirostat_eta: MirostatEta | UnsetType = UNSET
    repeat_penalty: RepeatPenalty | UnsetType = UNSET
    presence_penalty: Penalty | UnsetType = UNSET
    frequency_penalty: Penalty | UnsetType = UNSET
    repeat_last_n: LastTokens | UnsetType = UNSET
    dry_multiplier: DryMultiplier | UnsetType = UNSET
    dry_base: DryBase | UnsetType = UNSET
    dry_allowed_length: NaturalInt | UnsetType = UNSET
    dry_penalty_last_n: LastTokens | UnsetType = UNSET
    dry_sequence_breakers: DryBreakers | UnsetType = UNSET
    max_tokens: PositiveInt | UnsetType = UNSET
    seed: Seed | UnsetType = UNSET
    stop: StopString | StopStrings | UnsetType = UNSET
    system: str | UnsetType = UNSET


def check(value: Any, type_: type[T], *, at: str = "") -> T:
    """Convert a decoded JSON value to the struct `type_`, after `lenient`.

    Parameters
    ----------
    value : object
        Decoded JSON.
    type_ : type
        Struct to convert to.
    at : str
        Path of `value` in the request, such as ``"default_parameters"``; a prefix of `param`.

    Raises
    ------
    InvalidParameter
        If a field is unknown, of the wrong type or out of range.
    """
    _check_names(value, type_, at)
    value = lenient(value, type_)
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        found = explain(value, type_, error, at=at)
        raise InvalidParameter(found.message, param=found.param or None) from None


def _check_names(value: Any, type_: type, at: str) -> None:
    """Refuse unknown fields in an object, and in those of its objects that allow none."""
    if not isinstance(value, dict):
        return
    fields = struct_fields(type_)
    known = [field.encode_name for field in fields]
    for key in value:
        if key not in known:
            raise _unknown(str(key), known, at)
    for field in fields:
        for nested in (field.type, *get_args(field.type)):
            if _is_strict(nested):
                _check_names(value.get(field.encode_name), nested, joined(at, field.encode_name))


def _is_strict(type_: Any) -> bool:
    if not isinstance(type_, type) or not issubclass(type_, msgspec.Struct):
        return False
    return type_.__struct_config__.forbid_unknown_fields


def _unknown(name: str, known: list[str], at: str) -> InvalidParameter:
    near = close_matches(name, known)
    hint = f"Did you mean {near[0]!r}?" if near else f"Use one of: {', '.join(sorted(known))}."
    hint = hint if known else "There are no parameters in the body."
    where = f" in {at!r}" if at else ""
    return InvalidParameter(
        f"Unknown parameter {quoted(name)}{where}. {hint}", param=joined(at, name)
    )


def close_matches(name: str, known: Collection[str]) -> list[str]:
    """Return the one of the names `known` that `name` probably means, or nothing."""
    return difflib.get_close_matches(name, known, n=1) if len(name) <= MAX_QUOTED else []


def check_default_parameters(value: Any, *, at: str = "default_parameters") -> DefaultParameters:
    """Check the `default_parameters` of a registration, and normalize `isq`.

    Parameters
    ----------
    at : str
        Path of `value` in the request.

    Raises
    ------
    InvalidParameter
        If a parameter is unknown, of the wrong type or out of range.
    InvalidISQ
        If `isq` is not an ISQ kind.
    InvalidKeepAlive
        If `keep_alive` is not a duration.
    """
    if value is None:
        return DefaultParameters()
    parameters = check(value, DefaultParameters, at=at)
    if parameters.keep_alive is not UNSET:
        parse_keep_alive(parameters.keep_alive, param=f"{at}.keep_alive")
    if parameters.isq is not UNSET:
        kind = canonical_isq(parameters.isq, param=f"{at}.isq")
        parameters = msgspec.structs.replace(parameters, isq=kind)
    return parameters


def changed_parameters(
    defaults: DefaultParameters, changes: dict[str, Any], *, at: str = "default_parameters"
) -> DefaultParameters:
    """Return `defaults` with some parameters set and others removed.

    Parameters
    ----------
    changes : dict
        New values by name; None removes a parameter.
    at : str
        Path of `changes` in the request.

    Raises
    ------
    InvalidParameter, InvalidISQ, InvalidKeepAlive
        As `check_default_parameters`.
    """
    _check_names(changes, DefaultParameters, at)
    given = {name: value for name, value in changes.items() if value is not None}
    checked = check_default_parameters(given, at=at)
    values = {name: getattr(checked, name) for name in changes}  # UNSET where it is removed
    return msgspec.structs.replace(defaults, **values)


def canonical_isq(kind: str, *, param: str = "default_parameters.isq") -> str:
    """Return the spelling of `kind` in `ISQ_KINDS`: ``"Q4K"`` for ``"q4_k"``.

    Raises
    ------
    InvalidISQ
        If `kind` is not an ISQ kind.
    """
    wanted = kind[:MAX_QUOTED].strip().upper().replace("_K", "K")
    for known in ISQ_KINDS:
        if wanted == known.upper():
            return known
    raise InvalidISQ(
        f"Unknown ISQ kind {quoted(kind)}. Use one of: {', '.join(ISQ_KINDS)}.",
        param=param,
    )


#: Characters of the longest `keep_alive`, and its limit in seconds. A negative one means forever.
MAX_KEEP_ALIVE_LENGTH = 64
MAX_KEEP_ALIVE = 2**63 - 1

_NUMBER = r"\d+(?:\.\d+)?"
_SECONDS = re.compile(_NUMBER)
_DURATION = re.compile(rf"({_NUMBER})(ms|s|m|h|d)")
_DURATIONS = re.compile(rf"(?:{_DURATION.pattern})+")
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_keep_alive(value: str | int | float, *, param: str = "keep_alive") -> float:
    """Return how long an idle model stays loaded, in seconds; ``math.inf`` means forever.

    The accepted forms are those of Ollama's ``keep_alive``: ``"5m"``, ``"1h30m"``, ``"300"``,
    ``300``, ``0`` (unload when the request ends), and any negative number (never unload).

    Raises
    ------
    InvalidKeepAlive
        If `value` is not a duration, or longer than `MAX_KEEP_ALIVE`.
    """
    if isinstance(value, bool):
        raise _invalid_keep_alive(value, param)
    seconds = value if isinstance(value, (int, float)) else _seconds(value)
    if seconds is None or not -MAX_KEEP_ALIVE <= seconds <= MAX_KEEP_ALIVE:  # also NaN
        raise _invalid_keep_alive(value, param)
    return math.inf if seconds < 0 else float(seconds)


def _seconds(text: str) -> float | None:
    """Return the number of seconds in `text`, negative if it starts with a minus."""
    if len(text) > MAX_KEEP_ALIVE_LENGTH:
        return None
    text = text.strip()
    body = text.removeprefix("-")
    if _SECONDS.fullmatch(body):
        seconds = float(body)
    elif _DURATIONS.fullmatch(body):
        seconds = sum(float(n) * _UNIT_SECONDS[unit] for n, unit in _DURATION.findall(body))
    else:
        return None
    return seconds if body == text else -1.0


def _invalid_keep_alive(value: object, param: str) -> InvalidKeepAlive:
    return InvalidKeepAlive(
        f"{param} must be a duration, not {quoted(value)}. Use a value such as '5m', '1h30m', 300 "
        "(seconds), 0 (unload when the request ends) or -1 (never unload).",
        param=param,
    )
