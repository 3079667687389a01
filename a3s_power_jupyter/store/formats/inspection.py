"""Check a request to register a model, and describe the model at its path."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from msgspec import UNSET

from ...contract.errors import InvalidISQ, InvalidParameter, UnsupportedModelFormat
from ...contract.parameters import DefaultParameters, LoadParameters
from ...contract.text import quoted
from ...contract.types import (
    Capability,
    Format,
    ModelDetails,
    RegisterRequest,
    Upstream,
    generates,
)
from ..files import user_path
from ..os_errors import reading
from .description import Description
from .gguf_model import describe_gguf
from .mmproj import find_mmproj, with_mmproj
from .model_directory import describe_directory
from .weights import PICKLES

_FORMATS: tuple[Format, ...] = get_args(Format)
#: How URLs end from which the route has not been removed.
_ROUTE = re.compile(
    r"/(?:chat/completions|completions|embeddings|models|responses|rerank|messages)/?$"
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def inspect(request: RegisterRequest, parameters: DefaultParameters) -> Description:
    """Describe the model of a request to register, before anything is hashed or written.

    Raises
    ------
    InvalidParameter
        If fields are missing, invalid, in conflict, or have no effect.
    InvalidISQ
        If `isq` is set for a format that is not quantized on load.
    UnsupportedModelFormat
        If the format is unknown, or the file is not a model on its own.
    PowerError
        If `describe_gguf`, `describe_directory` or `with_mmproj` refuses the files.
    """
    if request.format is not None and request.format not in _FORMATS:
        raise UnsupportedModelFormat(
            f"Unknown format {quoted(request.format)}. Use one of: {', '.join(_FORMATS)}. To "
            "detect the format, omit it.",
            param="format",
        )
    description = _remote(request) if _is_remote(request) else _local(request)
    check_effects(description.format, description.capabilities, parameters)
    return description


def check_effects(
    format_: Format, capabilities: tuple[Capability, ...], parameters: DefaultParameters
) -> None:
    """Check that each of the default parameters of a model has an effect on some machine.

    Raises
    ------
    InvalidISQ
        If `isq` is set for a format that is not quantized on load.
    InvalidParameter
        If another parameter has no effect.
    """
    check_isq(format_, parameters, param="default_parameters.isq")
    encodes = not generates(capabilities)
    for name in DefaultParameters.__struct_fields__:
        if getattr(parameters, name) in (UNSET, "none") or name == "keep_alive":
            continue
        load = name in LoadParameters.__struct_fields__
        if load and format_ == "remote":
            reason = "A remote model is loaded by its upstream"
        elif encodes and (not load or name == "chat_template"):
            task = "ranks documents" if "rerank" in capabilities else "computes embeddings"
            reason = f"The model only {task}"
        else:
            continue
        raise InvalidParameter(
            f"{reason}, so {name} has no effect. Omit it.", param=f"default_parameters.{name}"
        )


def check_isq(format_: Format, parameters: LoadParameters, *, param: str) -> None:
    """Raise `InvalidISQ` if a quantization is asked for that the format does not have."""
    if parameters.isq not in (UNSET, "none") and format_ in ("gguf", "remote"):
        raise InvalidISQ(f"A {format_} model cannot be quantized on load. Omit isq.", param=param)


def _is_remote(request: RegisterRequest) -> bool:
    if request.format == "remote":
        return True
    if request.upstream is not None:
        raise InvalidParameter(
            'Only a model of format "remote" can have an upstream. Set that format, or omit the '
            "upstream.",
            param="upstream",
        )
    return False


def _remote(request: RegisterRequest) -> Description:
    if request.path is not None or request.mmproj is not None or request.copy:
        raise InvalidParameter(
            "A remote model has no files. Omit path, mmproj and copy.",
            param="copy" if request.path is None else "path",
        )
    if request.upstream is None:
        raise InvalidParameter(
            "A remote model needs an upstream: base_url and model of an OpenAI-compatible server.",
            param="upstream",
        )
    _check_upstream(request.upstream)
    # An upstream rejects the routes that it does not support.
    return Description("remote", (), ModelDetails(), ("completion", "chat", "embeddings", "rerank"))


def _check_upstream(upstream: Upstream) -> None:
    if isinstance(upstream.base_url, str):
        _checked_url(upstream.base_url, "")
    else:
        servers = [_checked_url(u, f"[{i}]") for i, u in enumerate(upstream.base_url)]
        for i, server in enumerate(servers):
            if server in servers[:i]:
                first = servers.index(server)
                raise InvalidParameter(
                    f"base_url[{i}] is the same server as base_url[{first}]. Omit one of them.",
                    param=f"upstream.base_url[{i}]",
                )
    if not upstream.model:
        raise InvalidParameter(
            "The upstream has no model. Set model to a model of that server.",
            param="upstream.model",
        )
    if upstream.api_key_env is not UNSET and not _VARIABLE.fullmatch(upstream.api_key_env):
        # The message does not show the value, which may be the key.
        raise InvalidParameter(
            "api_key_env must be the name of an environment variable that contains the key, such "
            "as OPENAI_API_KEY, not the key itself.",
            param="upstream.api_key_env",
        )


def _checked_url(base_url: str, index: str) -> tuple[str, str, int | None, str]:
    """Check a URL, and return what two URLs of the same server have in common.

    Parameters
    ----------
    index : str
        Of the URL in a list: ``"[0]"``; empty without a list.
    """
    try:
        url = urlsplit(base_url)
        port = url.port
        valid = url.scheme in ("http", "https") and bool(url.hostname) and port != 0
    except ValueError:  # an invalid port, or unbalanced brackets
        valid = False
    if not valid:
        raise InvalidParameter(
            f"base_url{index} is not an HTTP URL. Use a URL such as http://localhost:8000/v1",
            param=f"upstream.base_url{index}",
        )
    if base_url.split() != [base_url] or not base_url.isprintable():
        raise InvalidParameter(
            f"base_url{index} must not contain spaces.", param=f"upstream.base_url{index}"
        )
    if route := _ROUTE.search(url.path):
        raise InvalidParameter(
            f"base_url{index} must not contain the route. Omit {route[0]!r}, so that it usually "
            "ends in /v1.",
            param=f"upstream.base_url{index}",
        )
    if "@" in url.netloc or url.query or url.fragment:
        raise InvalidParameter(
            f"base_url{index} must not contain credentials or a query. Set an environment variable "
            "of the server to the key, and api_key_env to the name of the variable.",
            param=f"upstream.base_url{index}",
        )
    default = 443 if url.scheme == "https" else 80
    return url.scheme, url.hostname or "", port or default, url.path.rstrip("/")


def _local(request: RegisterRequest) -> Description:
    if request.path is None:
        raise InvalidParameter(
            "The path is missing. Set it to the file or directory of the model, or set format to "
            '"remote".',
            param="path",
        )
    path = user_path(request.path)
    with reading(path):
        is_directory = stat.S_ISDIR(path.stat().st_mode)
        if request.mmproj is not None and is_directory:
            raise InvalidParameter(
                "Only a GGUF file can have an mmproj; a directory contains its own. Omit mmproj.",
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
    mmproj_path = user_path(mmproj)
    with reading(mmproj_path):
        return with_mmproj(description, mmproj_path)


def _check_suffix(path: Path) -> None:
    """Refuse other weights files with better advice than "not a GGUF file"."""
    if path.suffix == ".safetensors":
        raise UnsupportedModelFormat(
            f"{path} contains only the weights of a model. Register its directory, {path.parent}, "
            "with config.json and a tokenizer.",
            param="path",
        )
    if path.suffix in PICKLES:
        raise UnsupportedModelFormat(
            f"{path} is a pickle, and loading it can run arbitrary code. Get the model as GGUF or "
            "safetensors.",
            param="path",
        )
