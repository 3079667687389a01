"""The real small model answers each prompt of the assistant."""

from __future__ import annotations

from a3s_power_jupyter.assistant.prompts import WORDS, messages
from a3s_power_jupyter.client import connect
from support.servers import Server


def test_a_real_model_answers_each_prompt(server: Server, smollm2: str) -> None:
    values = dict.fromkeys(WORDS, "print(1 / 0)") | {"language": "python"}
    with connect(server.url, server.token) as client, server.api() as api:
        prompts = client.prompts()
        for name in prompts.__struct_fields__:
            body = {
                "model": smollm2,
                "messages": messages(getattr(prompts, name), values),
                "max_tokens": 8,
                "temperature": 0,
            }
            reply = api.post("v1/chat/completions", json=body).raise_for_status().json()
            assert reply["choices"][0]["message"]["content"].strip(), name
