"""Errors in the shape of Anthropic's API."""

from __future__ import annotations

import httpx2
import pytest
from anthropic import _error_classes as errors

from a3s_power_jupyter.contract.errors import (
    BY_CODE,
    InvalidParameter,
    PowerError,
    UnsupportedRequestFields,
)
from a3s_power_jupyter.handlers.anthropic.errors import error_body


def test_an_error_has_the_fields_of_anthropic_and_ours() -> None:
    body = error_body(InvalidParameter("Too many.", param="messages[0]", retry_after=3), "req_1")
    assert body == {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "Too many.",
            "code": "invalid_parameter",
            "param": "messages[0]",
            "retry_after": 3,
            "details": {"error_code": "invalid_parameter"},
        },
        "request_id": "req_1",
    }


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalid_json", "invalid_request_error"),
        ("unauthorized", "authentication_error"),
        ("forbidden", "permission_error"),
        ("model_not_found", "not_found_error"),
        ("model_busy", "invalid_request_error"),
        ("body_too_large", "request_too_large"),
        ("client_too_slow", "timeout_error"),
        ("server_busy", "overloaded_error"),
        ("worker_died", "api_error"),
        ("upstream_timeout", "timeout_error"),
        ("internal_error", "api_error"),
    ],
)
def test_the_type_of_an_error(code: str, kind: str) -> None:
    assert error_body(BY_CODE[code]("a"), "")["error"]["type"] == kind


def test_a_client_that_asks_for_a_thread_is_told_to_go_on_without_one() -> None:
    refused = UnsupportedRequestFields("Send all messages.", param="thread")
    assert error_body(refused, "")["error"]["code"] == "unsupported_request_fields"
    assert error_body(refused, "")["error"]["details"] == {
        "error_code": "thread_unsupported_request"
    }


@pytest.mark.parametrize("class_", BY_CODE.values())
def test_the_anthropic_package_reads_every_error(class_: type[PowerError]) -> None:
    body = error_body(class_("What to do."), "req_1")
    request = httpx2.Request("POST", "http://localhost/v1/messages")
    response = httpx2.Response(class_.status, request=request, headers={"request-id": "req_1"})
    error = errors.make_status_error("", body=body, response=response)
    assert error.api_message == "What to do."
    assert error.error_code == class_.code
    assert error.request_id == "req_1"
    assert error.status_code == class_.status
