"""Whatever the hub replies, a pull ends with the model or with an error of the contract."""

from __future__ import annotations

import copy
import gzip
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import HubError, PowerError
from a3s_power_jupyter.contract.types import Manifest, PullStatus
from a3s_power_jupyter.hub.http import hub_requests
from a3s_power_jupyter.hub.process.job import Job
from a3s_power_jupyter.hub.resolve.hub_api import RemoteFile
from a3s_power_jupyter.hub.resolve.plan import Plan
from a3s_power_jupyter.hub.transfer import download, partial
from a3s_power_jupyter.hub.transfer.progress import Reporter
from support import hostile_hub
from support.hostile_hub import (
    COMMIT,
    CONTENT,
    DIGITS,
    NESTED,
    REPO,
    HostileHub,
    Step,
    as_json,
    reply,
    run_hostile_hub,
)
from support.hub_fetching import POLICY, start_pull

#: Values that replace each field of a good reply.
VALUES: list[Any] = [
    None, True, 0, -1, 1.5, 1e308, 2**63, 2**64, DIGITS, NESTED, "", "x", "0", "\0", "a\n", "../x",
    "/x", "\\x", "\u202e", "x" * 100_000, COMMIT + "\n", REPO + "\n", [], [None], [[]], {},
    {"a": 1},
]  # fmt: skip

#: Paths that are listed in place of the model's.
PATHS = [
    "../m-Q4_0.gguf", "/m-Q4_0.gguf", "a/../m-Q4_0.gguf", "a//m-Q4_0.gguf", "./m-Q4_0.gguf",
    "a\\m-Q4_0.gguf", "C:m-Q4_0.gguf", "m\0-Q4_0.gguf", "m\n-Q4_0.gguf", "x" * 300 + "-Q4_0.gguf",
    "x" * 300 + "/m-Q4_0.gguf", "x/" * 3000 + "m-Q4_0.gguf", "m-Q4_0.gguf/", ".gguf", "-Q4_0.gguf",
    "m-Q4_0-00001-of-99999.gguf", "m-Q4_0-00000-of-00000.gguf",
]  # fmt: skip


def _without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


def _changed_revisions() -> Iterator[Any]:
    good = hostile_hub.revision()
    for name in good:
        yield _without(good, name)
        yield from ({**good, name: value} for value in VALUES)


def _changed_trees() -> Iterator[Any]:
    good = hostile_hub.tree()
    model, *others = good
    for name in model:
        yield [_without(model, name), *others]
        yield from ([{**model, name: value}, *others] for value in VALUES)
    for name in model["lfs"]:
        yield [{**model, "lfs": _without(model["lfs"], name)}, *others]
        yield from ([{**model, "lfs": {**model["lfs"], name: value}}, *others] for value in VALUES)
    yield from ([{**model, "path": path}, *others] for path in PATHS)
    yield [model, *others, {**copy.deepcopy(model), "size": 5, "lfs": None}]  # listed twice


def _wholes(step: Step) -> Iterator[tuple[Step, bytes]]:
    for value in VALUES:
        yield step, reply(as_json(value))


RAW: list[tuple[Step, bytes]] = [
    (step, raw)
    for step in ("revision", "tree")
    for raw in (
        b"",
        b"\xff\xfe\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n{}",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/1.1 -5 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"F" * 5000 + b"\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10_000_000 + b"\r\n\r\n",
        reply(b"{", headers=b"X-\xff: \xff\xfe\r\n"),
        reply(b'{"id": "\xff"}'),
        reply(b'{"id": "\\ud800"}'),
        reply(b"[" * 1_000_000),
        reply(b"{}", length=b"-5"),
        reply(b"{}", length=b"9" * 5000),
        reply(b"{}", length=b"x"),
        reply(b"<html>Welcome</html>", headers=b"Content-Type: text/html\r\n"),
        reply(gzip.compress(b" " * 10_000_000), headers=b"Content-Encoding: gzip\r\n"),
        reply(b"{}", headers=b"Content-Encoding: br\r\n"),
        reply(b"{}", headers=b"Content-Encoding: \xff\r\n"),
        reply(b"", "204 No Content"),
        reply(b"{}", "206 Partial Content"),
        reply(b"", "304 Not Modified"),
        reply(b"", "302 Found"),
        reply(b"", "400 Bad Request", b"X-Error-Code: \xff\r\nX-Error-Message: \xff\xfe\r\n"),
        reply(b"\xff\xfe", "404 Not Found", b"X-Error-Code: RepoNotFound\r\n"),
        reply(b"[" * 60_000, "403 Forbidden"),
        reply(b"{}", "429 Too Many", b'RateLimit: "api";r=0;t=' + b"9" * 5000 + b"\r\n"),
        reply(b"{}", "429 Too Many", b"Retry-After: " + b"9" * 5000 + b"\r\n"),
        reply(b"{}", "503 Busy", b"Retry-After: -5\r\n"),
        reply(b"{}", "503 Busy", b"Retry-After: Wed, 21 Oct 99999999999 07:28:00 GMT\r\n"),
    )
]

LOCATIONS = [
    b"", b"file:///etc/passwd", b"ftp://localhost/x", b"javascript:alert(1)", b"x", b"\xff\xfe",
    b"//", b"http://", b"http:///x", b"http://[", b"http://a b/", b"http://\xff\xfe/",
    b"http://localhost:99999999/", b"http://localhost:port/", b"http://" + b"a" * 300 + b"/",
    b"http://" + b"a." * 2000 + b"/", b"http://xn--" + b"a" * 70 + b"/", b"http://[fe80::1]/",
    b"http://169.254.169.254/latest/meta-data", b"http://2852039166/latest/meta-data",
    b"/" + b"9" * 50_000,
]  # fmt: skip
REDIRECTS: list[tuple[Step, bytes]] = [
    (step, reply(b"", "302 Found", b"Location: " + location + b"\r\n"))
    for step in ("revision", "tree", "head", "bytes")
    for location in LOCATIONS
]

LINKS = [
    b"<>; rel=next", b"<http://[>; rel=next", b"<\xff>; rel=next", b"<?cursor=\xff>; rel=next",
    b";,<>,=", b"<?cursor=" + b"9" * 50_000 + b">; rel=next", b"<?a=%ZZ&b=%00>; rel=next",
    b"<http://x:y/?a=b>; rel=next",
]  # fmt: skip

TABLE: list[tuple[Step, bytes]] = [
    *(("revision", reply(as_json(value))) for value in _changed_revisions()),
    *(("tree", reply(as_json(value))) for value in _changed_trees()),
    *_wholes("revision"),
    *_wholes("tree"),
    *RAW,
    *REDIRECTS,
    *(("tree", reply(b"[]", headers=b"Link: " + link + b"\r\n")) for link in LINKS),
    *(("head", raw) for step, raw in RAW if step == "tree"),
    *(("bytes", raw) for step, raw in RAW if step == "tree"),
]


@pytest.fixture(scope="module")
def hub() -> Iterator[HostileHub]:
    with run_hostile_hub() as running:
        yield running


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
    hub.replies = {"tree": reply(b"[]", headers=b'Link: <?cursor=1>; rel="next"\r\n')}
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
