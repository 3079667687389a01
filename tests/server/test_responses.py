"""``/v1/responses`` with a real server and a real model, used by the ``openai`` package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from support.model_files import PNG
from support.openai_responses import parsed_event, parsed_items, parsed_response
from support.servers import Server, error_code, events_of
from support.waiting import wait_until

#: Every build of the model answers this in English.
QUESTION = "What is the capital city of France? Answer in one short English sentence."
LONG = "Count from one to one thousand in words."


class City(BaseModel):
    city: str


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[OpenAI]:
    http = openai.DefaultHttpxClient(trust_env=False)
    url = f"{server.url}v1"
    with OpenAI(base_url=url, api_key=server.token, max_retries=0, http_client=http) as made:
        yield made


def ask(client: OpenAI, model: str, input_: Any, **fields: Any) -> Any:
    fields = {"temperature": 0, "max_output_tokens": 30} | fields
    return client.responses.create(model=model, input=input_, **fields)


def test_a_conversation_goes_on_from_a_stored_response(client: OpenAI, smollm2: str) -> None:
    first = ask(client, smollm2, QUESTION, instructions="You are helpful.")
    assert first.status == "completed"
    assert "Paris" in first.output_text
    second = ask(client, smollm2, "And of Italy?", previous_response_id=first.id)
    assert second.usage.input_tokens > first.usage.input_tokens
    assert client.responses.retrieve(second.id) == second
    items = [item.type for item in client.responses.input_items.list(second.id, limit=2)]
    assert items == ["message"] * 3
    counted = client.responses.input_tokens.count(
        model=smollm2, input=QUESTION, instructions="You are helpful."
    )
    assert counted.input_tokens == first.usage.input_tokens
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client, smollm2, "And of Spain?", previous_response_id=second.id)
    assert caught.value.code == "response_not_found"


def test_a_response_that_is_not_stored_is_not_found(client: OpenAI, smollm2: str) -> None:
    response = ask(client, smollm2, QUESTION, store=False, max_output_tokens=1)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def test_every_event_of_a_stream_and_every_reply_has_its_type(server: Server, smollm2: str) -> None:
    body = {
        "model": smollm2,
        "input": QUESTION,
        "temperature": 0,
        "max_output_tokens": 30,
        "top_logprobs": 2,
    }
    with server.api() as api:
        with api.stream("POST", "v1/responses", json=body | {"stream": True}) as reply:
            assert reply.headers["Content-Type"] == "text/event-stream"
            events: list[Any] = [parsed_event(event) for event in events_of(reply)]
        whole = parsed_response(api.post("v1/responses", json=body).json())
        stored = api.get(f"v1/responses/{whole.id}").json()
        assert parsed_response(stored) == whole
        parsed_items(api.get(f"v1/responses/{whole.id}/input_items").json())
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == whole.output_text
    assert events[-1].response.usage.output_tokens == whole.usage.output_tokens  # type: ignore[union-attr]


def test_a_stream_that_its_client_leaves_is_stopped_and_not_stored(
    server: Server, smollm2: str
) -> None:
    def generated() -> float:
        lines = api.get("metrics").text.splitlines()
        ours = [line for line in lines if line.startswith("power_inference_tokens_total")]
        return sum(float(line.rpartition(" ")[2]) for line in ours)

    def is_busy() -> bool:
        return bool(api.get(f"v1/models/{smollm2}").json()["state"] == "busy")

    body = {"model": smollm2, "input": LONG, "min_tokens": 5000, "stream": True}
    with server.api() as api:
        before = generated()
        with api.stream("POST", "v1/responses", json=body) as reply:
            events = events_of(reply)  # the connection is closed with it
            first: Any = next(events)
            assert is_busy()
        wait_until(lambda: not is_busy())
        assert generated() - before < 5000
        assert api.get(f"v1/responses/{first['response']['id']}").status_code == 404


def test_the_format_of_an_answer_is_kept(client: OpenAI, smollm2: str) -> None:
    parsed = client.responses.parse(
        model=smollm2, input=QUESTION, text_format=City, max_output_tokens=60, temperature=0
    )
    assert isinstance(parsed.output_parsed, City)


def test_an_answer_that_is_too_long_is_incomplete(client: OpenAI, smollm2: str) -> None:
    response = ask(client, smollm2, LONG, max_output_tokens=3)
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.usage.output_tokens == 3


def test_the_oldest_messages_are_left_out_on_request(client: OpenAI, smollm2: str) -> None:
    old = {"role": "user", "content": "word " * 300_000}
    items = [old, {"role": "assistant", "content": "Yes."}, {"role": "user", "content": QUESTION}]
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, smollm2, items)
    assert caught.value.code == "context_length_exceeded"
    response = ask(client, smollm2, items, truncation="auto")
    assert "Paris" in response.output_text
    assert response.usage.input_tokens < 100


def test_a_response_in_the_background_goes_on_without_its_client(
    client: OpenAI, smollm2: str
) -> None:
    def status() -> str:
        return str(client.responses.retrieve(response.id).status)

    response = ask(client, smollm2, QUESTION, background=True)
    assert response.status == "queued"
    wait_until(lambda: status() == "completed")
    assert "Paris" in client.responses.retrieve(response.id).output_text


def test_the_events_of_a_response_in_the_background_are_read_again(
    client: OpenAI, smollm2: str
) -> None:
    with ask(client, smollm2, QUESTION, background=True, stream=True) as stream:
        first = next(iter(stream))
    id_ = first.response.id
    rest = list(client.responses.retrieve(id_, stream=True, starting_after=0))
    assert [event.sequence_number for event in rest] == list(range(1, len(rest) + 1))
    assert [rest[0].type, rest[-1].type] == ["response.queued", "response.completed"]


def test_a_response_in_the_background_is_cancelled(client: OpenAI, smollm2: str) -> None:
    response = ask(client, smollm2, LONG, background=True, max_output_tokens=2000)
    assert client.responses.cancel(response.id).status == "cancelled"
    assert client.responses.retrieve(response.id).status == "cancelled"
    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.cancel(response.id)


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"tools": [{"type": "web_search"}]}, "unsupported_request_fields", "tools[0].type"),
        ({"conversation": "conv_1"}, "unsupported_request_fields", "conversation"),
        ({"previous_response_id": "resp_1"}, "response_not_found", "previous_response_id"),
        ({"input": [{"id": "msg_1"}]}, "response_not_found", "input[0]"),
        ({"max_output_tokens": 0}, "invalid_parameter", "max_output_tokens"),
        ({"model": "a b"}, "invalid_model_name", "model"),
    ],
)
def test_a_mistake_has_the_status_and_shape_of_all_errors(
    server: Server, smollm2: str, fields: dict[str, Any], code: str, param: str
) -> None:
    for stream in (False, True):
        with server.api() as api:
            body = {"model": smollm2, "input": "Hi", "stream": stream} | fields
            reply = api.post("v1/responses", json=body)
        assert (error_code(reply), reply.json()["error"]["param"]) == (code, param)
        assert reply.status_code in (400, 404)


def test_images_are_refused_for_a_model_without_vision(client: OpenAI, smollm2: str) -> None:
    image = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"}
    with pytest.raises(openai.BadRequestError, match="does not support images") as caught:
        ask(client, smollm2, [{"role": "user", "content": [image]}])
    assert caught.value.param == "input"


def test_other_routes_say_what_is_wrong(server: Server, client: OpenAI, smollm2: str) -> None:
    response = ask(client, smollm2, "Hi", max_output_tokens=1)
    path = f"v1/responses/{response.id}"
    with server.api() as api:
        assert api.post(f"{path}/cancel").status_code == 400
        assert api.get(path, params={"stream": "true"}).status_code == 400
        assert api.get(f"{path}/input_items", params={"limit": "0"}).status_code == 400
        assert api.get("v1/responses/resp_1").status_code == 404
        assert error_code(api.post("v1/responses/compact", json={})) == "unsupported_request_fields"
        assert api.get("responses/resp_1").status_code == 404
        assert api.get("v1/responses/input_tokens").status_code == 405


def test_fields_without_effect_are_named(server: Server, smollm2: str) -> None:
    body = {"model": smollm2, "input": "Hi", "max_output_tokens": 1, "service_tier": "flex"}
    with server.api() as api:
        reply = api.post("v1/responses", json=body | {"text": {"verbosity": "low"}})
    assert reply.headers["X-Power-Ignored"] == "service_tier, text.verbosity"
