"""Whatever the hub replies, a pull ends with the model or with an error of the contract."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from a3s_power_jupyter.contract.errors import HubError, PowerError
from a3s_power_jupyter.contract.types import Manifest, PullStatus
from a3s_power_jupyter.hub.http import hub_requests
from a3s_power_jupyter.hub.process.job import Job
from a3s_power_jupyter.hub.resolve.plan import Plan
from a3s_power_jupyter.hub.resolve.repository import RemoteFile
from a3s_power_jupyter.hub.transfer import download, partial
from a3s_power_jupyter.hub.transfer.progress import Reporter
from support import hostile_hub
from support.hostile_http import REDIRECTS, WRONG, as_json, mutations, reply, running
from support.hostile_hub import COMMIT, CONTENT, REPO, HostileHub, Step
from support.hub_fetching import POLICY, start_pull

#: Paths that are listed in place of the model's.
PATHS = [
    "../m-Q4_0.gguf", "/m-Q4_0.gguf", "a/../m-Q4_0.gguf", "a//m-Q4_0.gguf", "./m-Q4_0.gguf",
    "a\\m-Q4_0.gguf", "C:m-Q4_0.gguf", "m\0-Q4_0.gguf", "m\n-Q4_0.gguf", "x" * 300 + "-Q4_0.gguf",
    "x" * 300 + "/m-Q4_0.gguf", "x/" * 3000 + "m-Q4_0.gguf", "m-Q4_0.gguf/", ".gguf", "-Q4_0.gguf",
    "m-Q4_0-00001-of-99999.gguf", "m-Q4_0-00000-of-00000.gguf",
]  # fmt: skip


LINKS = [
    b"<>; rel=next", b"<http://[>; rel=next", b"<\xff>; rel=next", b"<?cursor=\xff>; rel=next",
    b";,<>,=", b"<?cursor=" + b"9" * 50_000 + b">; rel=next", b"<?a=%ZZ&b=%00>; rel=next",
    b"<http://x:y/?a=b>; rel=next",
]  # fmt: skip

LINES = [COMMIT + "\n", f"{REPO}\n"]  # a pattern may match up to a line end


def _listings() -> Iterator[Any]:
    yield from mutations(hostile_hub.tree())
    model, *others = hostile_hub.tree()
    for path in PATHS:
        yield [{**model, "path": path}, *others]


TABLE: list[tuple[Step, bytes]] = [
    *(("revision", reply(as_json(value))) for value in mutations(hostile_hub.revision())),
    *(("revision", reply(as_json({"id": REPO, "sha": COMMIT} | {"sha": line}))) for line in LINES),
    *(("revision", reply(as_json({"id": REPO, "sha": COMMIT} | {"id": line}))) for line in LINES),
    *(("tree", reply(as_json(value))) for value in _listings()),
    *(("tree", reply(b"[]", headers=b"Link: " + link + b"\r\n")) for link in LINKS),
    *((step, raw) for step in get_args(Step) for raw in (*WRONG, *REDIRECTS)),
]


@pytest.fixture(scope="module")
def hub() -> Iterator[HostileHub]:
    with running(HostileHub()) as hostile:
        yield hostile


@pytest.fixture(autouse=True)
def _few_attempts(monkeypatch: pytest.MonkeyPatch, hf_cache: Path) -> None:
    monkeypatch.setattr(hub_requests, "ATTEMPTS", 1)
    monkeypatch.setattr(download, "POLL", 0.01)
    monkeypatch.setattr(partial, "HASH_POLL", 0.01)


def pull(hub: HostileHub, home: Path, name: str = f"{REPO}:Q4_0") -> Manifest:
    request = start_pull(hub, home, name)  # type: ignore[arg-type]
    emitted: list[PullStatus] = []
    policy = type(POLICY)(stall=2.0, head=4.0, first_wait=0.001, longest_wait=0.001, attempts=2)
    return Job(request, Reporter(request.status, emitted.append), threading.Event(), policy).run()


def test_the_good_replies(hub: HostileHub, tmp_path: Path) -> None:
    hub.replies = {}
    assert pull(hub, tmp_path).size_bytes == len(CONTENT)


def test_any_reply_leads_to_the_model_or_to_an_error_of_the_contract(
    hub: HostileHub, tmp_path: Path
) -> None:
    wrong = []
    for number, (step, raw) in enumerate(TABLE):
        hub.replies = {step: raw}
        started = time.monotonic()
        try:
            pull(hub, tmp_path / str(number))
            problem = ""
        except PowerError as error:
            fitting = error.status < 500 or error.status in (502, 507)
            problem = "" if fitting and len(error.message) < 1000 else repr(error)[:300]
        except BaseException as error:
            problem = repr(error)[:300]
        if time.monotonic() - started > 20:
            problem += " too slow"
        if problem:
            wrong.append((step, raw[:150], problem))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["../m-Q4_0.gguf"], "names that cannot be stored are ignored, for example '../m-Q4_0"),
        (["x" * 300 + "-Q4_0.gguf"], "names that cannot be stored are ignored"),
        (["m-Q4_0-00001-of-00002.gguf", "M-Q4_0-00002-of-00002.gguf"], "No GGUF file"),
        (["a-Q4_0.gguf", "mmproj-F16.gguf"], ""),
        (["mmproj-F16.gguf/m-Q4_0.gguf", "mmproj-F16.gguf"], "cannot be stored beside it"),
    ],
)
def test_paths_that_cannot_be_stored(
    hub: HostileHub, tmp_path: Path, paths: list[str], message: str
) -> None:
    model, *_ = hostile_hub.tree()
    hub.replies = {"tree": reply(as_json([{**model, "path": path} for path in paths]))}
    if message:
        with pytest.raises(PowerError, match=message) as caught:
            pull(hub, tmp_path)
        assert caught.value.code in ("hub_error", "invalid_reference")
    else:
        assert len(pull(hub, tmp_path).files) == len(paths)


def test_files_with_the_same_path(hub: HostileHub, tmp_path: Path) -> None:
    model, *_ = hostile_hub.tree()
    hub.replies = {"tree": reply(as_json([model, model]))}
    assert pull(hub, tmp_path).size_bytes == len(CONTENT)
    hub.replies = {"tree": reply(as_json([model, {**model, "oid": "d" * 40, "lfs": None}]))}
    with pytest.raises(HubError, match="two different files 'm-Q4_0"):
        pull(hub, tmp_path / "other")


def test_a_listing_of_empty_pages_that_refer_to_each_other(hub: HostileHub, tmp_path: Path) -> None:
    # The server closes the connection, and a client that is not told so may use it once more.
    headers = b'Link: <?cursor=1>; rel="next"\r\nConnection: close\r\n'
    hub.replies = {"tree": reply(b"[]", headers=headers)}
    with pytest.raises(HubError, match="has no end"):
        pull(hub, tmp_path)


def test_names_that_differ_in_case_or_composition() -> None:
    def check(*paths: str) -> None:
        files = tuple(RemoteFile(path, 1, "http://hub/x", "e", blob_id="e") for path in paths)
        Plan("m", REPO, COMMIT, "directory", files).check()

    check("a.safetensors", "b.safetensors", "a/config.json", "b/config.json")
    for paths in (("A.json", "a.json"), ("\u00e9.json", "e\u0301.json"), ("a", "A/b.json")):
        with pytest.raises(HubError, match="cannot be stored beside it"):
            check(*paths)
