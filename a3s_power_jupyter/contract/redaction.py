"""Check tokens where they enter, and remove secrets from texts that are shown, stored or logged."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

from .errors import InvalidParameter, PowerError

REDACTED = "[redacted]"

#: Shorter values are not replaced, because that would make texts unreadable.
MIN_LENGTH = 4
#: The same for environment variables, which are only taken for secrets by their names.
MIN_LENGTH_IN_ENVIRONMENT = 8

#: What an HTTP header can carry as a token: printable ASCII without spaces.
_TOKEN = re.compile(r"[\x21-\x7e]+")
#: User and password of a URL.
_CREDENTIALS = re.compile(r"(?<=://)[^\s/?#'\"]+@")
#: Names of environment variables that usually contain a secret.
_SECRET_VARIABLE = re.compile(
    r"(.*_)?(API)?(KEY|TOKEN|CREDENTIAL)S?|.*(SECRET|PASSWORD|PASSPHRASE)S?|.*(PASSWD|_PWD)",
    re.IGNORECASE,
)


def clean_token(token: str | None, what: str, *, param: str | None = None) -> str | None:
    """Return `token` without the whitespace around it, or None if nothing is left.

    Parameters
    ----------
    token : str or None
        A token or key as the user entered it.
    what : str
        Subject of the error message, such as ``"The hub token"``.
    param : str or None
        The request field that contains it.

    Raises
    ------
    InvalidParameter
        If it contains characters that a token cannot have. The message does not quote it.
    """
    cleaned = (token or "").strip()
    if not cleaned:
        return None
    if not _TOKEN.fullmatch(cleaned):
        raise InvalidParameter(
            f"{what} contains spaces, line breaks or other characters that a token cannot have. "
            "Copy it again.",
            param=param,
        )
    return cleaned


def is_secret_name(name: str) -> bool:
    """Whether an environment variable with this name usually contains a secret."""
    return _SECRET_VARIABLE.fullmatch(name) is not None


def has_credentials(text: str) -> bool:
    """Whether a text contains a URL with a user name or a password."""
    return _CREDENTIALS.search(text) is not None


def environment_secrets() -> Iterator[str]:
    """Yield the values of this process's environment variables that usually contain a secret."""
    for name, value in os.environ.items():
        if is_secret_name(name) and len(value) >= MIN_LENGTH_IN_ENVIRONMENT:
            yield value


class Redactor:
    """Replaces secrets, and the credentials in URLs, by a placeholder.

    Texts of other libraries' exceptions and of other servers must pass through one before they
    become part of an error message or of the log.

    Parameters
    ----------
    *secrets : str or None
        Besides `environment_secrets`.
    """

    def __init__(self, *secrets: str | None) -> None:
        self._forms: set[str] = set()
        for secret in (*secrets, *environment_secrets()):
            self.add(secret)

    def add(self, secret: str | None) -> None:
        """Replace this secret, too."""
        stripped = (secret or "").strip()
        if len(stripped) >= MIN_LENGTH:
            self._forms |= _forms(stripped)

    def __call__(self, text: str) -> str:
        """Return `text` without secrets."""
        for form in sorted(self._forms, key=len, reverse=True):
            text = text.replace(form, REDACTED)
        return _CREDENTIALS.sub(f"{REDACTED}@", text)

    def clean(self, error: PowerError) -> None:
        """Remove the secrets from the texts of an error."""
        error.message = self(error.message)
        error.args = (error.message,)
        error.candidates = tuple(map(self, error.candidates))


def _forms(secret: str) -> set[str]:
    """Return the spellings of a secret in messages: as it is, and escaped."""
    escaped = {repr(secret)[1:-1], repr(secret.encode())[2:-1], json.dumps(secret)[1:-1]}
    return {secret, *escaped, quote(secret, safe=""), quote_plus(secret)}


class _RedactingFormatter(logging.Formatter):
    def __init__(self, original: logging.Formatter | None, redactor: Redactor) -> None:
        super().__init__()
        self._original = original or logging.Formatter()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        return self._redactor(self._original.format(record))


def redact_logs(redactor: Redactor, *loggers: logging.Logger) -> None:
    """Remove secrets from what the handlers of `loggers` write, tracebacks included."""
    for handler in (handler for logger in loggers for handler in logger.handlers):
        handler.setFormatter(_RedactingFormatter(handler.formatter, redactor))
