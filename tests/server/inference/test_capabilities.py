"""The capabilities of a model before and after its chat template was run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.servers import Server

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
)
PLAIN = ["completion", "chat", "embeddings"]


@pytest.mark.parametrize(
    ("name", "template", "registered", "loaded"),
    [
        ("unused", "{% set unused = tools %}" + CHAT + "{% endif %}", [*PLAIN, "tools"], PLAIN),
        (
            "used",
            "{% for tool in tools or [] %}{{ tool | tojson }}{% endfor %}"
            "{% for message in messages %}{% for call in message.tool_calls or [] %}"
            "<tool_call>{{ call.function | tojson }}</tool_call>{% endfor %}{% endfor %}"
            + CHAT
            + "<think>\n{% endif %}",
            [*PLAIN, "tools", "reasoning"],
            [*PLAIN, "tools", "reasoning"],
        ),
    ],
)
def test_a_loaded_model_has_what_its_template_renders(
    server: Server,
    smollm2_path: Path,
    name: str,
    template: str,
    registered: list[str],
    loaded: list[str],
) -> None:
    parameters: dict[str, Any] = {"chat_template": template, "num_ctx": 256, "num_parallel": 1}
    body = {"name": name, "path": str(smollm2_path), "default_parameters": parameters}
    with server.api() as api:
        assert api.post("v1/models", json=body).json()["capabilities"] == registered
        assert api.post(f"v1/models/{name}/load").json()["capabilities"] == loaded
        assert api.get(f"v1/models/{name}").json()["capabilities"] == loaded
        assert api.post(f"v1/models/{name}/unload").status_code == 200
        assert api.get(f"v1/models/{name}").json()["capabilities"] == registered
        assert api.delete(f"v1/models/{name}").status_code == 200
