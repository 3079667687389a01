"""Compile chat templates for a sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import Namespace

from .protocol import TOO_DEEP, TOO_MUCH_MEMORY, Failure

#: Most characters of an error's text.
MAX_MESSAGE = 300


@lru_cache(maxsize=4)
def compile_template(source: str) -> jinja2.Template:
    """Compile a template for the sandbox.

    The environment has the same options, tags, filters and functions as that of
    `transformers.PreTrainedTokenizer.apply_chat_template`, for which the templates are written.
    """
    environment = SandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    environment.globals["dict"] = _Dict()
    environment.globals["namespace"] = _Namespace
    return environment.from_string(source)


class TemplateFailed(Exception):
    """A template is not valid, or there is no prompt.

    Attributes
    ----------
    failure : Failure
        Kind of the failure.
    message : str
        Text of the error, cut if it is long.
    """

    def __init__(self, failure: Failure, message: str = "") -> None:
        super().__init__(message)
        self.failure = failure
        self.message = message


def run(source: str, variables: dict[str, Any], max_chars: int) -> str:
    """Render a template and return at most `max_chars` characters.

    Raises
    ------
    TemplateFailed
        If the template is not valid, rejects the variables, or exceeds a limit.
    """
    failure: Failure = "invalid"
    try:
        compiled = compile_template(source)
        failure = "rejected"
        return _joined(compiled.generate(variables), max_chars)
    except TemplateFailed:
        raise
    except MemoryError:
        raise TemplateFailed("stopped", TOO_MUCH_MEMORY) from None
    except RecursionError:
        raise TemplateFailed("stopped", TOO_DEEP) from None
    except Exception as error:
        text = str(error)[:MAX_MESSAGE] or type(error).__name__
        raise TemplateFailed(failure, text.encode(errors="replace").decode()) from None


def _joined(pieces: Iterable[str], max_chars: int) -> str:
    kept = []
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > max_chars:
            raise TemplateFailed("too_long")
        kept.append(piece)
    text = "".join(kept)
    text.encode()  # raises ValueError for half of a surrogate pair
    return text


class _Generation(Extension):
    """The tag ``generation``, which marks the answers of the assistant for training."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class _Dict:
    """Makes dictionaries, without giving access to the type itself."""

    fromkeys = staticmethod(dict.fromkeys)

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)


class _Namespace(Namespace):
    """A namespace without special methods, which Python would call outside of the sandbox."""

    def __init__(*args: Any, **kwargs: Any) -> None:  # an attribute may be called "self"
        namespace, *values = args
        attributes = dict(*values, **kwargs)
        for name in attributes:
            _check_attribute(name)
        Namespace.__init__(namespace, attributes)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_attribute(name)
        super().__setitem__(name, value)


def _check_attribute(name: object) -> None:
    if str(name).startswith("_"):
        raise SecurityError(f"An attribute of a namespace cannot be called {name!r}.")


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _raise_exception(message: object) -> NoReturn:
    raise jinja2.TemplateError(str(message)[:MAX_MESSAGE])
