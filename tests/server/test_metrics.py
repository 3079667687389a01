"""The metrics of the extension, on real servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.servers import Server, events_of
from support.waiting import wait_until


def test_metrics_are_labeled_with_route_templates(fake_server: Server) -> None:
    with fake_server.api() as api:
        api.get("v1/models/org/repo:Q4_K_M")
        body = {"model": "gc", "messages": [{"role": "user", "content": "Hi"}]}
        assert api.post("v1/chat/completions", json=body).status_code == 200
        text = api.get("metrics").text
    assert 'power_requests_total{method="GET",path="/v1/models/{name}",status="200"}' in text
    assert 'power_inference_tokens_total{model="gc"}' in text
    assert "repo:Q4" not in text
    for name in ("request_duration_seconds", "ttft_seconds", "inference_duration_seconds"):
        assert f"power_{name}_count" in text
    for name in ("active_requests", "requests_waiting", "models_loaded"):
        assert f"\npower_{name} " in text


def test_invented_methods_share_a_metrics_label(fake_server: Server) -> None:
    with fake_server.api() as api:
        for i in range(50):
            response = api.request(f"INVENTED{i}", "v1/models")
            assert response.status_code == 405
        lines = api.get("metrics").text.splitlines()
    ours = [line for line in lines if line.startswith("power_requests_total{")]
    assert not any("INVENTED" in line for line in lines if line.startswith("power_"))
    assert 'power_requests_total{method="other",path="/v1/models",status="405"}' in "".join(ours)


def test_tokens_of_an_answer_that_its_client_leaves_are_counted(
    start_server: Callable[..., Server], smollm2_path: Path
) -> None:
    server = start_server(headless=True)
    body = {"model": "m", "prompt": "Once upon a time", "max_tokens": 4_000, "stream": True}
    with server.api() as api:
        api.post("v1/models", json={"name": "m", "path": str(smollm2_path)}).raise_for_status()
        with api.stream("POST", "v1/completions", json=body | {"ignore_eos": True}) as reply:
            events = events_of(reply)
            for _ in range(40):
                next(events)
        wait_until(lambda: api.get("v1/models/m").json()["state"] == "loaded")
        lines = api.get("metrics").text.splitlines()
    counts = dict(line.rsplit(" ", 1) for line in lines)
    assert float(counts['power_inference_prompt_tokens_total{model="m"}']) == 4
    assert 40 <= float(counts['power_inference_tokens_total{model="m"}']) < 4_000
