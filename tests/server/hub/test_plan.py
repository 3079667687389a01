"""Test planning: commits, tokens, and failures of the hub."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import HubError, HubUnauthorized, InvalidReference
from a3s_power_jupyter.hub.http import hub_requests
from a3s_power_jupyter.hub.resolve import hub_api
from a3s_power_jupyter.hub.resolve.hub_api import HubApi
from a3s_power_jupyter.hub.resolve.plan import make_plan
from a3s_power_jupyter.hub.resolve.reference import parse
from support import hub_repository
from support.hub_plans import REPO, add, paths_of, plan, sharded
from support.hub_server import HubServer

# ---------------------------------------------------------------- the plan


def test_a_plan_refers_to_one_commit(hub: HubServer) -> None:
    repository = hub.add(REPO, {"a b/M-Q4_0.gguf": b"1", "x.txt": b"2"})
    commit = repository.refs["main"]
    planned = make_plan(parse(f"{REPO}:Q4_0"), HubApi(f"{hub.url}/"))
    [file] = planned.files
    assert (planned.name, planned.kind) == (f"{REPO}:Q4_0", "gguf")
    assert (planned.repo, planned.revision) == (REPO, commit)
    assert file.url == f"{hub.url}/{REPO}/resolve/{commit}/a%20b/M-Q4_0.gguf"
    assert (file.size, planned.size) == (1, 1)
    assert file.etag == file.sha256 == hub_repository.make_blob("a.gguf", b"1").sha256
    assert not file.blob_id


def test_revisions(hub: HubServer) -> None:
    repository = hub.add(REPO, {"M-Q4_0.gguf": b"old"})
    old = repository.refs["main"]
    new = repository.commit({"M-Q4_0.gguf": b"newer"})
    branch = repository.commit({"M-Q8_0.gguf": b"branch"}, ref="feature/x")
    assert plan(hub, f"{REPO}:Q4_0").revision == new
    assert plan(hub, f"{REPO}@{old}:Q4_0").files[0].size == 3
    planned = make_plan(parse(REPO, "feature/x"), HubApi(hub.url))
    assert (planned.revision, paths_of(planned)) == (branch, ["M-Q8_0.gguf"])
    with pytest.raises(InvalidReference, match="has no revision 'v9'"):
        plan(hub, f"{REPO}@v9:Q4_0")


def test_a_renamed_repository(hub: HubServer) -> None:
    add(hub, "M-Q4_0.gguf", repo="ada/old")
    hub.rename("ada/old", "ada/new")
    planned = plan(hub, "ada/old:Q4_0")
    assert planned.repo == "ada/new"
    assert "/ada/new/resolve/" in planned.files[0].url


# ---------------------------------------------------------------- access


def test_gated(hub: HubServer) -> None:
    hub.add(REPO, {"M-Q4_0.gguf": b"x"}, gated=True, readers=("hf_good",))
    hub.tokens.add("hf_other")
    with pytest.raises(HubUnauthorized, match=f"Request access at {hub.url}/{REPO}, then"):
        plan(hub, f"{REPO}:Q4_0")
    with pytest.raises(HubUnauthorized, match=f"no access to it. Request .* {hub.url}/{REPO}"):
        plan(hub, f"{REPO}:Q4_0", token="hf_other")
    assert paths_of(plan(hub, f"{REPO}:Q4_0", token="hf_good")) == ["M-Q4_0.gguf"]
    assert {record.host for record in hub.requests} == {"hub"}


def test_private_and_missing(hub: HubServer) -> None:
    hub.add(REPO, {"M-Q4_0.gguf": b"x"}, private=True, readers=("hf_good",))
    hub.tokens.add("hf_other")
    for repo in (REPO, "ada/none"):
        with pytest.raises(HubUnauthorized, match="no public model"):
            plan(hub, repo)
        with pytest.raises(InvalidReference, match="that this token can read"):
            plan(hub, repo, token="hf_other")
    assert paths_of(plan(hub, REPO, token="hf_good")) == ["M-Q4_0.gguf"]


def test_a_wrong_token(hub: HubServer) -> None:
    add(hub, "M-Q4_0.gguf")
    with pytest.raises(HubUnauthorized, match="rejected the token") as caught:
        plan(hub, REPO, token="hf_wrong")
    assert "hf_wrong" not in caught.value.message


def test_sources_of_the_token(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(REPO, {"M-Q4_0.gguf": b"x"}, readers=("hf_stored", "hf_environ", "hf_request"))
    (tmp_path / "token").write_text("hf_stored\n")
    plan(hub, REPO)
    assert hub.requests[-1].authorization == "Bearer hf_stored"
    monkeypatch.setenv("HF_TOKEN", "hf_environ")
    plan(hub, REPO)
    assert hub.requests[-1].authorization == "Bearer hf_environ"
    plan(hub, REPO, token="hf_request")
    assert hub.requests[-1].authorization == "Bearer hf_request"


def test_the_token_is_only_sent_to_the_hub(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_repository, "LFS_SIZE", 1)  # the index is redirected to the other host
    folder = sharded(tmp_path / "m")
    files = hub_repository.files_of(folder)
    hub.add("ada/m", files, private=True, gated=True, readers=("hf_good",))
    assert len(plan(hub, "ada/m", token="hf_good").files) == len(files)
    elsewhere = [record for record in hub.requests if record.host == "cdn"]
    assert [record.path for record in elsewhere] == ["model.safetensors.index.json"]
    assert elsewhere[0].authorization is None
    assert {r.authorization for r in hub.requests if r.host == "hub"} == {"Bearer hf_good"}


def test_a_next_page_on_another_host(hub: HubServer) -> None:
    hub.add(REPO, {f"{number}.txt": b"" for number in range(5)} | {"M-Q4_0.gguf": b"x"},
            readers=("hf_good",))  # fmt: skip
    hub.page = 2
    own = hub.url
    hub.url = hub.cdn_url  # the base of the links
    planned = make_plan(parse(REPO), HubApi(own, "hf_good"))
    assert paths_of(planned) == ["M-Q4_0.gguf"]
    assert {record.host for record in hub.requests} == {"hub"}


# ---------------------------------------------------------------- failures of the hub


def test_temporary_failures(hub: HubServer) -> None:
    add(hub, "M-Q4_0.gguf")
    hub.fail("/main", stage="api", status=503)
    hub.fail("", stage="api", skip=2, status=429, headers={"Retry_After": "0"})
    assert paths_of(plan(hub, REPO)) == ["M-Q4_0.gguf"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_requests, "ATTEMPTS", 1)
    monkeypatch.setattr(hub_requests, "TIMEOUT", 0.3)


@pytest.mark.usefixtures("impatient")
def test_permanent_failures(hub: HubServer) -> None:
    add(hub, "M-Q4_0.gguf")
    hub.fail(stage="api", status=503, headers={"Retry_After": "17"})
    with pytest.raises(HubError, match="status 503") as caught:
        plan(hub, REPO)
    assert caught.value.retry_after == 17
    hub.fail(stage="api", delay=60)
    with pytest.raises(HubError, match=r"127\.0\.0\.1:\d+ cannot be reached"):
        plan(hub, REPO)
    hub.fail(stage="api", status=200)
    with pytest.raises(HubError, match="is not a reply of the hub"):
        plan(hub, REPO)


@pytest.mark.usefixtures("impatient")
def test_an_unreachable_hub() -> None:
    with pytest.raises(HubError, match=r"127\.0\.0\.1:1 cannot be reached") as caught:
        make_plan(parse(REPO), HubApi("http://ada:secret@127.0.0.1:1"))
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("path", ["../M.gguf", "/M.gguf", "a//M.gguf", "a\\M.gguf", "c:M.gguf"])
def test_paths_that_lead_outside_the_repository(hub: HubServer, path: str) -> None:
    add(hub, path, "M-Q4_0.gguf")
    assert paths_of(plan(hub, REPO)) == ["M-Q4_0.gguf"]


@pytest.mark.parametrize("wrong", [{"sha256": "../x"}, {"oid": "0"}, {"size": -1}])
def test_invalid_hashes_and_sizes(hub: HubServer, wrong: dict[str, Any]) -> None:
    add(hub, "M-Q4_0.gguf")
    [commit] = hub.repositories[REPO].commits.values()
    commit["M-Q4_0.gguf"] = replace(commit["M-Q4_0.gguf"], **wrong)
    with pytest.raises(HubError, match="is not a reply of the hub"):
        plan(hub, REPO)


def test_an_index_that_is_too_large(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_api, "MAX_JSON", 10)
    hub.add("ada/m", hub_repository.files_of(sharded(tmp_path / "m")))
    with pytest.raises(HubError, match="too many for a JSON file"):
        plan(hub, "ada/m")


CODE = """
from a3s_power_jupyter.contract.errors import PowerError
from a3s_power_jupyter.hub.resolve.hub_api import HubApi
from a3s_power_jupyter.hub.resolve.plan import make_plan
from a3s_power_jupyter.hub.resolve.reference import parse
try:
    print(make_plan(parse("ada/Model-GGUF"), HubApi()).files[0].path)
except PowerError as error:
    print(error.code, error.message)
"""


def in_a_process(**environ: str) -> str:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "TRANSFORMERS_")) and not name.lower().endswith("_proxy")
    }
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, env=kept | environ, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_endpoint_of_the_environment(hub: HubServer) -> None:
    add(hub, "M-Q4_0.gguf")
    assert in_a_process(HF_ENDPOINT=hub.url) == "M-Q4_0.gguf"


def test_offline(hub: HubServer) -> None:
    add(hub, "M-Q4_0.gguf")
    output = in_a_process(HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="1")
    assert output.startswith("hub_error This server is offline: HF_HUB_OFFLINE")
    assert hub.requests == []


def test_through_a_proxy(hub: HubServer) -> None:
    """The test hub is also the proxy: it replies for any host."""
    add(hub, "M-Q4_0.gguf")
    assert in_a_process(HF_ENDPOINT="http://hub.invalid", HTTP_PROXY=hub.url) == "M-Q4_0.gguf"
    assert hub.requests[0].headers["Host"] == "hub.invalid"
