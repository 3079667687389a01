"""The ``openai`` package with a real server and a real model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from support.model_files import PNG
from support.servers import Server
from support.waiting import wait_until

#: Every build of the model answers this in English.
QUESTION = "What is the capital city of France? Answer in one short English sentence."


def openai_client(server: Server, secret: str) -> OpenAI:
    http = openai.DefaultHttpxClient(trust_env=False)
    return OpenAI(base_url=f"{server.url}v1", api_key=secret, max_retries=0, http_client=http)


@pytest.fixture
def client(server: Server) -> Iterator[OpenAI]:
    with openai_client(server, server.token) as made:
        yield made


def test_chat(client: OpenAI, smollm2: str) -> None:
    reply = client.chat.completions.create(
        model=smollm2,
        messages=[{"role": "user", "content": QUESTION}],
        temperature=0,
        max_tokens=30,
    )
    (choice,) = reply.choices
    assert "Paris" in str(choice.message.content)
    assert choice.finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert 5 <= reply.usage.completion_tokens <= 30


def test_streaming_returns_the_same_text(client: OpenAI, smollm2: str) -> None:
    def ask(stream: bool) -> str:
        reply = client.chat.completions.create(
            model=smollm2,
            messages=[{"role": "user", "content": "Tell me about the sea."}],
            temperature=0,
            max_tokens=12,
            stream=stream,
            **({"stream_options": {"include_usage": True}} if stream else {}),
        )
        if not stream:
            assert reply.choices[0].finish_reason == "length"
            return str(reply.choices[0].message.content)
        chunks = list(reply)
        assert chunks[0].choices[0].delta.role == "assistant"
        assert len(chunks) > 8
        assert [c.choices[0].finish_reason for c in chunks[:-1] if c.choices[0].finish_reason] == [
            "length"
        ]
        assert chunks[-1].choices == []
        assert chunks[-1].usage.completion_tokens == 12
        return "".join(c.choices[0].delta.content or "" for c in chunks[:-1])

    assert ask(stream=True) == ask(stream=False)


def chat_with_progress(client: OpenAI, model: str, **fields: Any) -> list[Any]:
    chunks = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Count: " + " ".join(map(str, range(250)))}],
        temperature=0,
        max_tokens=4,
        stream=True,
        extra_body={"return_progress": True, "timings_per_token": True},
        **fields,
    )
    return list(chunks)


@pytest.mark.parametrize("include_usage", [True, False])
def test_timings_and_progress_of_a_stream(
    client: OpenAI, smollm2: str, include_usage: bool
) -> None:
    chunks = chat_with_progress(client, smollm2, stream_options={"include_usage": include_usage})
    timings, cache = chunks[-1].timings, 0
    if include_usage:
        cache = chunks[-1].usage.prompt_tokens_details.cached_tokens
        assert timings["prompt_n"] + cache == chunks[-1].usage.prompt_tokens
        assert timings["cache_n"] == cache
    assert timings["predicted_n"] == 4
    assert timings["prompt_ms"] > 0
    assert timings["predicted_per_second"] > 0
    readings = [c.prompt_progress for c in chunks if hasattr(c, "prompt_progress")]
    assert readings
    processed = [reading["processed"] for reading in readings]
    assert processed == sorted(processed)
    assert processed[-1] == readings[-1]["total"] == timings["prompt_n"] + timings["cache_n"]
    assert all(not c.choices[0].delta.content for c in chunks[: len(readings)])
    texts = [c for c in chunks if c.choices and c.choices[0].delta.content]
    assert texts
    assert all(1 <= c.timings["predicted_n"] <= 4 for c in texts)


def test_the_accumulated_stream_of_the_openai_package(client: OpenAI, smollm2: str) -> None:
    with client.chat.completions.stream(
        model=smollm2,
        messages=[{"role": "user", "content": QUESTION}],
        temperature=0,
        extra_body={"return_progress": True},
    ) as stream:
        stream.until_done()
        reply = stream.get_final_completion()
    assert reply.choices[0].message.role == "assistant"
    assert "Paris" in str(reply.choices[0].message.content)


@pytest.mark.parametrize("prompt", ["Once", ["Once", "Twice"]])
def test_timings_of_completions(client: OpenAI, smollm2: str, prompt: Any) -> None:
    reply: Any = client.completions.create(model=smollm2, prompt=prompt, max_tokens=5, n=2)
    choices = len(reply.choices)
    assert reply.timings["predicted_n"] == reply.usage.completion_tokens <= 5 * choices
    assert reply.timings["prompt_ms"] > 0


def test_the_next_turn_finds_its_conversation_in_the_cache(client: OpenAI, smollm2: str) -> None:
    messages: list[Any] = [{"role": "user", "content": "Name three animals of the sea, please."}]

    def ask() -> Any:
        return client.chat.completions.create(
            model=smollm2, messages=messages, temperature=0, max_tokens=8
        )

    first = ask()
    messages.append({"role": "assistant", "content": first.choices[0].message.content})
    messages.append({"role": "user", "content": "And one of the air?"})
    second = ask()
    cached = second.usage.prompt_tokens_details.cached_tokens
    assert first.usage.prompt_tokens - 5 <= cached < second.usage.prompt_tokens
    assert second.timings["cache_n"] == cached
    assert second.timings["prompt_n"] == second.usage.prompt_tokens - cached


def test_a_seed_of_minus_one_is_random(client: OpenAI, smollm2: str) -> None:
    def ask(n: int) -> list[str]:
        reply = client.chat.completions.create(
            model=smollm2,
            messages=[{"role": "user", "content": "Invent a word."}],
            temperature=2,
            max_tokens=16,
            seed=-1,
            n=n,
        )
        return [str(choice.message.content) for choice in reply.choices]

    assert len({*ask(1), *ask(1), *ask(1)}) > 1
    assert ask(2) != ask(2)


@pytest.mark.parametrize("seed", [3, 16, 54])
def test_seed_and_choices(client: OpenAI, smollm2: str, seed: int) -> None:
    def ask(n: int) -> list[str]:
        reply = client.chat.completions.create(
            model=smollm2,
            messages=[{"role": "user", "content": "Invent a word."}],
            temperature=1.5,
            max_tokens=8,
            seed=seed,
            n=n,
        )
        return [str(choice.message.content) for choice in reply.choices]

    two = ask(2)
    assert two[0] != two[1]
    assert ask(1) == two[:1]
    assert ask(2) == two


def test_stop_and_logprobs(client: OpenAI, smollm2: str) -> None:
    reply = client.chat.completions.create(
        model=smollm2,
        messages=[{"role": "user", "content": QUESTION}],
        temperature=0,
        max_tokens=20,
        stop=["France"],
        logprobs=True,
        top_logprobs=2,
    )
    (choice,) = reply.choices
    assert choice.finish_reason == "stop"
    assert "France" not in str(choice.message.content)
    assert choice.logprobs is not None
    first = (choice.logprobs.content or [])[0]
    assert first.logprob <= 0
    assert first.top_logprobs[0].token == first.token
    assert bytes(first.bytes or []).decode() == first.token


def test_json_schema(client: OpenAI, smollm2: str) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}},
        "required": ["city"],
        "additionalProperties": False,
    }
    reply = client.chat.completions.create(
        model=smollm2,
        messages=[{"role": "user", "content": QUESTION}],
        temperature=0,
        max_tokens=40,
        response_format={"type": "json_schema", "json_schema": {"name": "c", "schema": schema}},
    )
    assert set(json.loads(str(reply.choices[0].message.content))) == {"city"}


def test_completions(client: OpenAI, smollm2: str) -> None:
    reply = client.completions.create(
        model=smollm2, prompt=["1, 2, 3,", "a, b, c,"], temperature=0, max_tokens=4, echo=True
    )
    assert [choice.index for choice in reply.choices] == [0, 1]
    assert reply.choices[0].text.startswith("1, 2, 3, 4")
    chunks = list(
        client.completions.create(
            model=smollm2, prompt="1, 2, 3,", temperature=0, max_tokens=4, stream=True
        )
    )
    text = "".join(chunk.choices[0].text for chunk in chunks)
    assert "1, 2, 3," + text == reply.choices[0].text
    assert chunks[-1].choices[0].finish_reason == "length"


def test_a_prompt_is_scored(client: OpenAI, smollm2: str) -> None:
    """As lm-evaluation-harness does it: the last token of the list belongs to the answer."""

    def score(city: str) -> float:
        (choice,) = client.completions.create(
            model=smollm2,
            prompt=f"The capital of France is {city}",
            temperature=0,
            max_tokens=1,
            logprobs=1,
            echo=True,
        ).choices
        assert choice.logprobs is not None
        assert choice.logprobs.tokens is not None
        assert choice.logprobs.token_logprobs is not None
        assert choice.logprobs.tokens[-2] == f" {city}"
        assert choice.logprobs.token_logprobs[0] is None
        return choice.logprobs.token_logprobs[-2]

    assert score("Paris") > score("London") > score("banana")


def test_a_stop_string_may_be_a_special_token(client: OpenAI, smollm2: str) -> None:
    messages: Any = [{"role": "user", "content": "Say hello."}]
    for stop in ("<|im_start|>", ["x" * 50, "<|im_start|>"]):
        reply = client.chat.completions.create(
            model=smollm2, messages=messages, max_tokens=9, stop=stop, logit_bias={"1": 100}
        )
        assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == ("", "stop")


def test_more_prompts_than_the_queue_has_places(client: OpenAI, smollm2: str) -> None:
    prompts = [f"Chapter {number}" for number in range(300)]
    reply = client.completions.create(model=smollm2, prompt=prompts, max_tokens=1)
    assert [choice.index for choice in reply.choices] == list(range(300))
    prompts[20] = "word " * 10_000
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model=smollm2, prompt=prompts, max_tokens=1)
    assert caught.value.code == "context_length_exceeded"


def test_embeddings(client: OpenAI, smollm2: str) -> None:
    texts = ["The cat sat on the mat.", "A cat is on a mat.", "Interest rates rose."]
    whole = client.embeddings.create(model=smollm2, input=texts)
    as_floats = client.embeddings.create(model=smollm2, input=texts, encoding_format="float")
    vectors = [row.embedding for row in whole.data]
    assert [len(vector) for vector in vectors] == [576] * 3
    for row, other in zip(whole.data, as_floats.data, strict=True):
        assert row.embedding == pytest.approx(other.embedding, abs=1e-6)
    short = client.embeddings.create(model=smollm2, input=texts[0], dimensions=64)
    assert sum(x * x for x in short.data[0].embedding) == pytest.approx(1, abs=1e-5)

    def similarity(a: int, b: int) -> float:
        return sum(x * y for x, y in zip(vectors[a], vectors[b], strict=True))

    assert similarity(0, 1) > similarity(0, 2)


def test_errors_have_the_types_of_openai(client: OpenAI, smollm2: str) -> None:
    hello = [{"role": "user", "content": "x"}]
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="nope", messages=hello)  # type: ignore[arg-type]
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as tools:
        client.chat.completions.create(
            model=smollm2,
            messages=hello,  # type: ignore[arg-type]
            tools=[{"type": "custom", "custom": {"name": "f"}}],
        )
    assert (tools.value.code, tools.value.param) == ("unsupported_request_fields", "tools[0].type")
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    with pytest.raises(openai.BadRequestError) as image:
        client.chat.completions.create(
            model=smollm2,
            messages=[{"role": "user", "content": [part]}],  # type: ignore[list-item, misc]
        )
    assert image.value.code == "invalid_parameter"
    with pytest.raises(openai.BadRequestError) as long:
        client.completions.create(model=smollm2, prompt="word " * 9000)
    assert long.value.code == "context_length_exceeded"


def test_the_kernel_key(server: Server, smollm2: str) -> None:
    with openai_client(server, server.key) as client:
        assert smollm2 in [model.id for model in client.models.list()]
        reply = client.completions.create(
            model=smollm2, prompt="1, 2,", temperature=0, max_tokens=1
        )
        assert reply.choices[0].text


def test_a_wrong_key(server: Server) -> None:
    with (
        openai_client(server, "wrong") as client,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        client.models.list()
    assert caught.value.code == "unauthorized"


def test_models(client: OpenAI, smollm2: str) -> None:
    assert smollm2 in [model.id for model in client.models.list()]
    assert client.models.retrieve(smollm2).owned_by == "local"


def test_closing_the_stream_stops_the_model(client: OpenAI, server: Server, smollm2: str) -> None:
    stream = client.chat.completions.create(
        model=smollm2,
        messages=[{"role": "user", "content": "Write a very long story."}],
        max_tokens=4000,
        stream=True,
    )
    for _ in range(3):
        next(iter(stream))
    with server.api() as api:
        assert state(api, smollm2) == "busy"
        stream.close()
        wait_until(lambda: state(api, smollm2) == "loaded", 10)


def state(api: httpx2.Client, name: str) -> str:
    return str(api.get(f"v1/models/{name}").json()["state"])
