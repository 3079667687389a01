"""Check replies against the schemas of rest-api.yml."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import httpx2
import yaml
from jsonschema import Draft202012Validator

import a3s_power_jupyter
from a3s_power_jupyter.contract import sse


def load_document() -> dict[str, Any]:
    """Return rest-api.yml."""
    text = files(a3s_power_jupyter).joinpath("handlers/rest-api.yml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def problem_of(
    document: dict[str, Any], path: str, method: str, reply: httpx2.Response
) -> str | None:
    """Return how a reply differs from the document, or None.

    Parameters
    ----------
    path : str
        As it is in the document.
    """
    operation = document["paths"].get(path, {}).get(method.lower())
    if operation is None:
        return None
    responses = operation["responses"]
    expected = _resolved(document, responses.get(str(reply.status_code), responses["default"]))
    if str(reply.status_code) not in responses and reply.is_success:
        return f"the status {reply.status_code} is not documented"
    kind = reply.headers.get("Content-Type", "").partition(";")[0]
    media = expected.get("content", {})
    if not media and not reply.content:
        return None
    if kind not in media:
        return f"the type {kind!r} is not documented"
    schema = {**media[kind].get("schema", {}), "components": document["components"]}
    validator = Draft202012Validator(schema)
    for value in _values(kind, reply):
        for error in validator.iter_errors(value):
            return f"{error.json_path}: {error.message[:300]} in {json.dumps(value)[:500]}"
    return None


def _resolved(document: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in response:
        return response
    found: dict[str, Any] = document["components"]["responses"][response["$ref"].rsplit("/")[-1]]
    return found


def _values(kind: str, reply: httpx2.Response) -> Iterator[Any]:
    """Yield the JSON values of a reply: one, or those of a stream."""
    if kind == "text/event-stream":
        for data in sse.iter_events(iter([reply.content])):
            if data != b"[DONE]":
                yield json.loads(data)
    elif kind == "application/x-ndjson":
        for line in reply.text.splitlines():
            yield json.loads(line)
    elif kind == "application/json":
        yield reply.json()
