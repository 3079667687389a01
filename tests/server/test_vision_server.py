"""A vision model on a real server, with every way to send an image."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from support import tiny_vision
from support.servers import Server
from support.tiny_vision import encode, random_image

NAME = "llava:7b"


def b64(seed: int, **size: int) -> str:
    return base64.b64encode(encode(random_image(seed, **size))).decode()


@pytest.fixture(scope="module")
def name(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tiny_vision.make(tmp_path_factory.mktemp("vision") / "llava-7b", "llava")
    with server.api() as api:
        body = {"name": NAME, "path": str(directory), "format": "vision"}
        made = api.post("v1/models", json=body)
        assert made.status_code == 201, made.text
        assert made.json()["capabilities"] == ["completion", "chat", "vision"]
        yield NAME
        api.delete(f"v1/models/{NAME}").raise_for_status()


def ask(api: Any, message: dict[str, Any], **more: Any) -> Any:
    body = {
        "model": NAME,
        "messages": [{"role": "user", **message}],
        "temperature": 0,
        "max_tokens": 8,
        "logprobs": True,
        **more,
    }
    return api.post("v1/chat/completions", json=body, timeout=120)


def first(reply: Any) -> float:
    assert reply.status_code == 200, reply.text
    value: float = reply.json()["choices"][0]["logprobs"]["content"][0]["logprob"]
    return value


def test_three_ways_to_send_an_image(server: Server, name: str) -> None:
    """All ways give the same answer, and another image gives another one."""
    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64(1)}"}}
    with server.api() as api:
        part = ask(api, {"content": [url, {"type": "text", "text": "What?"}]})
        inside = ask(api, {"content": "What?", "images": [b64(1)]})
        beside = ask(api, {"content": "What?"}, images=[b64(1)])
        other = ask(api, {"content": "What?"}, images=[b64(2)])
        none = ask(api, {"content": "What?"})
        model = api.get(f"v1/models/{name}").json()
    # A warm prompt is computed in other chunks, which round differently.
    assert [first(inside), first(beside)] == pytest.approx([first(part)] * 2, abs=1e-4)
    assert len({round(first(reply), 3) for reply in (part, other, none)}) == 3
    assert part.json()["usage"]["prompt_tokens"] > none.json()["usage"]["prompt_tokens"]
    assert model["engine"] == "transformers"


def test_images_in_requests_of_ollama(server: Server, name: str) -> None:
    """A chat and a completion see the image as chat completions do."""
    options = {"temperature": 0, "num_predict": 8}
    more = {"model": name, "options": options, "logprobs": True, "stream": False}
    message = {"role": "user", "content": "What?", "images": [b64(1)]}
    with server.api() as api:
        expected = first(ask(api, {"content": "What?", "images": [b64(1)]}))
        chat = api.post("api/chat", json={"messages": [message], **more}, timeout=120)
        prompt = {"prompt": "What?", "images": [b64(1)], **more}
        text = api.post("api/generate", json=prompt, timeout=120)
    for reply in (chat, text):
        assert reply.status_code == 200, reply.text
        assert reply.json()["logprobs"][0]["logprob"] == pytest.approx(expected, abs=1e-4)


def test_images_in_messages_of_anthropic(server: Server, name: str) -> None:
    """Also those in the result of a tool. All are counted before the answer as in the answer."""
    source = {"type": "base64", "media_type": "image/jpeg", "data": b64(1)}
    image = {"type": "image", "source": source}
    use = {"type": "tool_use", "id": "a", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": [image]}
    said = [{"role": "user", "content": "Look."}, {"role": "assistant", "content": [use]}]
    chats: list[list[dict[str, Any]]] = [
        [{"role": "user", "content": "What?"}],
        [{"role": "user", "content": [image, {"type": "text", "text": "What?"}]}],
        [*said, {"role": "user", "content": [{**result, "content": "A cat."}]}],
        [*said, {"role": "user", "content": [result, image]}],
    ]
    counts = []
    with server.api() as api:
        for messages in chats:
            body = {"model": name, "messages": messages}
            count = api.post("v1/messages/count_tokens", json=body, timeout=120)
            reply = api.post("v1/messages", json=body | {"max_tokens": 1}, timeout=120)
            assert reply.status_code == 200, reply.text
            usage = reply.json()["usage"]
            counts.append(usage["input_tokens"] + usage["cache_read_input_tokens"])
            assert count.json() == {"input_tokens": counts[-1]}
    assert counts[1] > counts[0]
    assert counts[3] > counts[2] + counts[1] - counts[0]


def test_images_in_inputs_of_responses(server: Server, name: str) -> None:
    """Also those in the output of a call. All are counted before the answer as in the answer."""
    image = {"type": "input_image", "image_url": f"data:image/png;base64,{b64(1)}"}
    call = {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "a"}
    said = [{"role": "user", "content": "Look."}, call]
    inputs: list[list[dict[str, Any]]] = [
        [{"role": "user", "content": "What?"}],
        [{"role": "user", "content": [image, {"type": "input_text", "text": "What?"}]}],
        [*said, {**output, "output": "A cat."}],
        [*said, {**output, "output": [image]}, {"role": "user", "content": "What?"}],
    ]
    counts = []
    with server.api() as api:
        for input_ in inputs:
            body = {"model": name, "input": input_}
            count = api.post("v1/responses/input_tokens", json=body, timeout=120)
            reply = api.post("v1/responses", json=body | {"max_output_tokens": 1}, timeout=120)
            assert reply.status_code == 200, reply.text
            counts.append(reply.json()["usage"]["input_tokens"])
            assert count.json()["input_tokens"] == counts[-1]
    seen = counts[1] - counts[0]
    assert seen > 0
    assert counts[3] > counts[2] + seen // 2


def test_streaming_with_the_openai_package(server: Server, name: str) -> None:
    content: list[Any] = [
        {"type": "text", "text": "Compare"},
        *(
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64(seed)}"}}
            for seed in (1, 2)
        ),
    ]
    with openai.OpenAI(base_url=f"{server.url}v1", api_key=server.token) as client:
        stream = client.chat.completions.create(
            model=name,
            messages=[{"role": "user", "content": content}],
            stream=True,
            max_tokens=6,
            temperature=0,
        )
        chunks = [*stream]
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")


def test_several_choices(server: Server, name: str) -> None:
    with server.api() as api:
        choices = ask(api, {"content": "Hi", "images": [b64(1)]}, n=3).json()["choices"]
        logprobs = [choice["logprobs"]["content"][0]["logprob"] for choice in choices]
        assert logprobs == pytest.approx([logprobs[0]] * 3, abs=1e-4)


def test_a_large_photo(server: Server, name: str) -> None:
    """More than 10 MB of base64."""
    with server.api() as api:
        large = b64(5, width=2400, height=1600)
        assert len(large) > 10e6
        assert first(ask(api, {"content": "What?", "images": [large]}))


def test_broken_images_are_user_errors(server: Server, name: str) -> None:
    cut = base64.b64encode(encode(random_image(1))[:300]).decode()
    with server.api() as api:
        for images, message in (
            ([cut], "Image 1 is broken"),
            (["AAAA"], "neither"),
            (["%"], "base64"),
        ):
            reply = ask(api, {"content": "x", "images": images})
            assert (reply.status_code, reply.json()["error"]["code"]) == (400, "invalid_parameter")
            assert message in reply.json()["error"]["message"]
        streamed = ask(api, {"content": "x"}, stream=True, images=[cut])
        assert streamed.status_code == 400
        assert "Image 1 is broken" in streamed.text
        assert first(ask(api, {"content": "x"}))
