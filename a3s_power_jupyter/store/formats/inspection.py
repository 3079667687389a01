"""From a request to register to a description of what lies at its path."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from msgspec import UNSET

from ...contract.errors import InvalidISQ, InvalidParameter, UnsupportedModelFormat
from ...contract.parameters import DefaultParameters
from ...contract.types import Format, ModelDetails, RegisterRequest, Upstream
from ..files import reading, user_path
from .description import Description
from .gguf_model import describe_gguf
from .mmproj import find_mmproj, with_mmproj
from .model_directory import describe_directory
from .weights import PICKLES

_FORMATS: tuple[Format, ...] = get_args(Format)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def inspect(request: RegisterRequest, parameters: DefaultParameters) -> Description:
    """Find out what a request to register means, before anything is hashed or written.

    Raises
    ------
    InvalidParameter, InvalidISQ, UnsupportedModelFormat, and what describing a file or a
    directory raises
    """
    if request.format is not None and request.format not in _FORMATS:
        raise UnsupportedModelFormat(
            f"Unknown format {request.format!r}. Use one of: {', '.join(_FORMATS)}; or leave it "
            "out, and it is found.",
            param="format",
        )
    description = _remote(request) if _is_remote(request) else _local(request)
    isq = parameters.isq
    if isq not in (UNSET, "none") and description.format in ("gguf", "remote"):
        raise InvalidISQ(
            f"ISQ quantizes a model while it is loaded, and a {description.format} model is "
            "loaded as it is. Leave isq out.",
            param="default_parameters.isq",
        )
    return description


def _is_remote(request: RegisterRequest) -> bool:
    if request.format == "remote":
        return True
    if request.upstream is not None:
        raise InvalidParameter(
            'Only a model of format "remote" has an upstream. Set that format, or leave the '
            "upstream out.",
            param="upstream",
        )
    return False


def _remote(request: RegisterRequest) -> Description:
    if request.path is not None or request.mmproj is not None or request.copy:
        raise InvalidParameter(
            "A remote model has no files. Leave path, mmproj and copy out.",
            param="copy" if request.path is None else "path",
        )
    if request.upstream is None:
        raise InvalidParameter(
            "A remote model needs an upstream: base_url and model of an OpenAI-compatible server.",
            param="upstream",
        )
    _check_upstream(request.upstream)
    # Which of its routes an upstream serves is its own to say, so none is refused here.
    return Description("remote", (), ModelDetails(), ("completion", "chat", "embeddings"))


def _check_upstream(upstream: Upstream) -> None:
    try:
        url = urlsplit(upstream.base_url)
        right = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:  # a port that is no number, brackets that do not close
        right = False
    if not right:
        raise InvalidParameter(
            "base_url is no http or https URL. Use for example http://localhost:8000/v1",
            param="upstream.base_url",
        )
    if "@" in url.netloc or url.query or url.fragment:
        raise InvalidParameter(
            "base_url must not carry credentials or a query. Put the key into an environment "
            "variable of the server, and its name into api_key_env.",
            param="upstream.base_url",
        )
    if not upstream.model:
        raise InvalidParameter("The upstream needs the name of a model.", param="upstream.model")
    if upstream.api_key_env is not UNSET and not _VARIABLE.fullmatch(upstream.api_key_env):
        # The value is not shown: it may be the key itself.
        raise InvalidParameter(
            "api_key_env is the name of an environment variable that holds the key, for example "
            "OPENAI_API_KEY, never the key itself.",
            param="upstream.api_key_env",
        )


def _local(request: RegisterRequest) -> Description:
    if request.path is None:
        raise InvalidParameter(
            'A model needs the path of its file or directory (or the format "remote").',
            param="path",
        )
    path = user_path(request.path)
    with reading(path):
        is_directory = stat.S_ISDIR(path.stat().st_mode)
        if request.mmproj is not None and is_directory:
            raise InvalidParameter(
                "Only a GGUF file has an mmproj beside it; a directory has all in itself. Leave "
                "mmproj out.",
                param="mmproj",
            )
        match request.format:
            case "vision" if not is_directory:
                return _gguf(path, request.mmproj or str(find_mmproj(path)))
            case "safetensors" | "vision" | "huggingface":
                return describe_directory(path, request.format)
            case None if is_directory:
                return describe_directory(path, None)
        return _gguf(path, request.mmproj)


def _gguf(path: Path, mmproj: str | None) -> Description:
    _check_suffix(path)
    description = describe_gguf(path)
    if mmproj is None:
        return description
    image_part = user_path(mmproj)
    with reading(image_part):
        return with_mmproj(description, image_part)


def _check_suffix(path: Path) -> None:
    """A better answer than "no GGUF" for files that are known to be something else."""
    if path.suffix == ".safetensors":
        raise UnsupportedModelFormat(
            f"{path} is only the weights of a model. Register its directory, {path.parent}, which "
            "has config.json and tokenizer too.",
            param="path",
        )
    if path.suffix in PICKLES:
        raise UnsupportedModelFormat(
            f"{path} is a pickle, and opening it can run any code. Get the model as GGUF or "
            "safetensors.",
            param="path",
        )
