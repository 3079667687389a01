"""Test the replies of the ingress to requests that no replica answers."""

from __future__ import annotations

import json

import pytest

from a3s_power_jupyter.contract.errors import ServerBusy
from a3s_power_jupyter.ray.replies import error_reply


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/chat/completions", lambda body: body["error"]["message"]),
        ("/v1/messages", lambda body: body["error"]["message"]),
        ("/api/chat", lambda body: body["error"]),
    ],
)
def test_errors_have_the_form_of_the_api(path, message) -> None:  # type: ignore[no-untyped-def]
    status, headers, body = error_reply(ServerBusy("Wait.", retry_after=2), path, [])
    assert status == ServerBusy.status
    assert dict(headers)[b"retry-after"] == b"2"
    assert message(json.loads(body)) == "Wait."


def test_an_error_of_anthropic_has_its_type() -> None:
    _, _, body = error_reply(ServerBusy("Wait."), "/v1/messages", [])
    decoded = json.loads(body)
    assert decoded["type"] == "error"
    assert decoded["request_id"].startswith("req_")
