"""The lines of a pull in Ollama's API."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import ollama
import pytest

from a3s_power_jupyter.contract.errors import BadRequest, HubError, PowerError, ServerBusy
from a3s_power_jupyter.contract.types import PullStatus
from a3s_power_jupyter.handlers.ollama.pull import not_on_the_hub, of_ollama
from a3s_power_jupyter.handlers.ollama.pull_lines import BEGIN, SUCCESS, lines_of
from a3s_power_jupyter.hub.events import wire_event

NAME = "owner/repo:Q4_0"
START = PullStatus(NAME, "pulling", started_at=1.0, phase="resolving")
PLANNED = msgspec.structs.replace(START, revision="c0ffee", total=100)
DIGEST = f"sha256:{hashlib.sha256(NAME.encode()).hexdigest()}"


def lines(*statuses: PullStatus) -> list[dict[str, Any]]:
    """Return the lines for the events of consecutive statuses."""
    befores = [START, *statuses]
    found = []
    for before, after in zip(befores, statuses, strict=False):
        found += lines_of(wire_event(before, after))
    for line in found:
        parsed = ollama.ProgressResponse.model_validate_json(msgspec.json.encode(line), strict=True)
        assert {*line} <= {*type(parsed).model_fields}
        assert parsed.status
    return found


def at(completed: int, **changes: Any) -> PullStatus:
    changes = {"phase": "downloading"} | changes
    return msgspec.structs.replace(PLANNED, completed=completed, **changes)


def test_a_pull_from_the_beginning_to_the_end() -> None:
    end = at(100).ended("done", created=5)
    found = lines(START, PLANNED, at(10), at(60), at(100, phase="verifying"), end)
    progress = [(line["completed"], line["total"]) for line in found if "digest" in line]
    assert progress == [(10, 100), (60, 100), (100, 100)]
    assert {line["digest"] for line in found if "digest" in line} == {DIGEST}
    assert {line["status"] for line in found if "digest" in line} == {f"pulling {DIGEST[7:19]}"}
    others = [line["status"] for line in found if "digest" not in line]
    assert others == ["verifying sha256 digest", "writing manifest", "success"]
    assert found[-1] == SUCCESS


def test_a_pull_that_resumes() -> None:
    found = lines(PLANNED, at(40, resumed_from=40), at(70, resumed_from=40))
    assert [line["completed"] for line in found] == [40, 70]


def test_a_pull_that_waits() -> None:
    slot = msgspec.structs.replace(START, phase="waiting", note="Starts later.")
    assert lines(slot) == [{"status": "Starts later."}]
    retry = at(40, note="Tries again in 5 s.")
    (line,) = lines(msgspec.structs.replace(retry, phase="waiting"))
    assert line == {
        "status": "Tries again in 5 s.", "digest": DIGEST, "total": 100, "completed": 40,
    }  # fmt: skip


def test_a_choice_is_named() -> None:
    note = "Q4_K_M is the best that fits."
    assert lines(msgspec.structs.replace(PLANNED, note=note)) == [{"status": note}]


def test_a_model_that_is_here() -> None:
    assert lines_of({"status": "already_exists", "name": NAME}) == [SUCCESS]
    assert lines_of({"status": "already_pulling", "name": NAME}) == []
    assert BEGIN["status"] == "pulling manifest"


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (at(40).ended("failed", error=HubError("The hub is down.").to_wire()), HubError),
        (at(40).ended("paused"), ServerBusy),
        (at(40).ended("cancelled"), BadRequest),
    ],
)
def test_pulls_that_end_without_a_model(end: PullStatus, error: type[PowerError]) -> None:
    with pytest.raises(error) as raised:
        lines(PLANNED, at(40), end)
    assert type(raised.value) is error
    assert NAME in raised.value.message or raised.value.message == "The hub is down."


@pytest.mark.parametrize(
    "name",
    ["llama3.2", "llama3.2:3b", "registry.ollama.ai/library/llama3.2", "ollama.com/library/a:b",
     "https://ollama.com/library/llama3.2", " llama3.2 ", ""],
)  # fmt: skip
def test_names_of_ollamas_registry(name: str) -> None:
    assert of_ollama(name)
    assert "hf.co/owner/repo:TAG" in not_on_the_hub(name).message


@pytest.mark.parametrize(
    "name", ["hf.co/owner/repo:Q4_0", "owner/repo", "https://huggingface.co/ollama.com/repo"]
)
def test_names_of_the_hub(name: str) -> None:
    assert not of_ollama(name)
