"""Hundreds of requests at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.servers import Server, run_server

NAMES = ["a", "b", "c", "d"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("bursts"), headless=True) as running:
        with running.api() as api:
            for name in NAMES:
                body = {"name": name, "path": str(smollm2_path)}
                api.post("v1/models", json=body).raise_for_status()
        yield running


def test_lists_and_lookups_beside_many_requests_are_complete(server: Server) -> None:
    async def burst() -> list[httpx2.Response]:
        async with httpx2.AsyncClient(
            base_url=server.url,
            headers={"Authorization": f"Bearer {server.token}"},
            timeout=120,
            trust_env=False,
            limits=httpx2.Limits(max_connections=None),
        ) as api:
            body = {"model": "a", "prompt": "Hi", "max_tokens": 1}
            requests = [
                request
                for _ in range(100)
                for request in (
                    api.post("v1/completions", json=body),
                    api.get("v1/models"),
                    api.get("v1/models/c"),
                    api.get("api/tags"),
                )
            ]
            return await asyncio.gather(*requests)

    replies = asyncio.run(burst())
    assert [reply.text for reply in replies if reply.status_code != 200] == []
    for models, tags in zip(replies[1::4], replies[3::4], strict=True):
        assert sorted(model["id"] for model in models.json()["data"]) == NAMES
        assert sorted(model["name"] for model in tags.json()["models"]) == [
            f"{name}:latest" for name in NAMES
        ]
    assert "[E" not in server.log.read_text()
