"""Test the test hub with huggingface_hub's own client."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from support.hub_repository import git_blob_id
from support.hub_server import HubServer, run_hub

WEIGHTS = bytes(range(256)) * 4096  # 1 MiB
FILES: dict[str, bytes | Path] = {
    "README.md": b"# A model\n",
    "config.json": b'{"model_type": "llama"}',
    "gguf/model.Q4_1.gguf": WEIGHTS,
}
GGUF = "gguf/model.Q4_1.gguf"
REPO = "ada/model"


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with run_hub() as running:
        yield running


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False, follow_redirects=True, timeout=5) as client:
        yield client


def url(hub: HubServer, path: str = GGUF) -> str:
    return f"{hub.url}/{REPO}/resolve/main/{path}"


def python(hub: HubServer, folder: Path, code: str) -> str:
    """Run `code` with huggingface_hub in a process that uses the test hub."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    env |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_XET": "1"}
    result = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_hf_hub_download(hub: HubServer, tmp_path: Path) -> None:
    hub.add(REPO, FILES)
    code = "from huggingface_hub import hf_hub_download as h; print(h({!r}, {!r}))"
    path = python(hub, tmp_path, code.format(REPO, GGUF))
    assert Path(path).read_bytes() == WEIGHTS
    assert any(record.host == "cdn" for record in hub.requests)


def test_snapshot_download_with_pages(hub: HubServer, tmp_path: Path) -> None:
    hub.add(REPO, FILES)
    hub.page = 2
    code = f"from huggingface_hub import snapshot_download; print(snapshot_download({REPO!r}))"
    folder = Path(python(hub, tmp_path, code))
    assert {path: (folder / path).read_bytes() for path in FILES} == FILES


def test_the_token_of_a_private_repository_is_only_sent_to_the_hub(
    hub: HubServer, tmp_path: Path
) -> None:
    hub.add(REPO, FILES, private=True, readers=("hf_good",))
    code = "from huggingface_hub import hf_hub_download as h; print(h({!r}, {!r}, token='hf_good'))"
    for path in (GGUF, "config.json"):
        assert Path(python(hub, tmp_path, code.format(REPO, path))).read_bytes() == FILES[path]
    requests = [record for record in hub.requests if record.path != "/api/agent-harnesses"]
    at_hub = [record.authorization for record in requests if record.host == "hub"]
    elsewhere = [record.authorization for record in requests if record.host == "cdn"]
    assert set(at_hub) == {"Bearer hf_good"}
    assert elsewhere == [None]


def test_metadata(hub: HubServer) -> None:
    commit = hub.add(REPO, FILES).refs["main"]
    api = HfApi(endpoint=hub.url)
    info = api.model_info(REPO, files_metadata=True)
    assert info.sha == commit
    assert info.siblings is not None
    sizes = {sibling.rfilename: sibling.size for sibling in info.siblings}
    assert sizes == {path: len(content) for path, content in FILES.items()}
    [large] = [sibling for sibling in info.siblings if sibling.lfs]
    assert large.lfs is not None
    assert large.lfs.sha256 == hashlib.sha256(WEIGHTS).hexdigest()


def test_tree_through_pages_and_folders(hub: HubServer) -> None:
    files = {f"a/b/{number}.txt": b"%d" % number for number in range(7)} | FILES
    hub.add(REPO, files)
    hub.page = 3
    api = HfApi(endpoint=hub.url)
    entries = list(api.list_repo_tree(REPO, recursive=True))
    assert {entry.path for entry in entries} == {*files, "a", "a/b", "gguf"}
    assert {entry.path for entry in api.list_repo_tree(REPO)} == {
        "README.md", "config.json", "a", "gguf",
    }  # fmt: skip
    assert [entry.path for entry in api.list_repo_tree(REPO, "gguf")] == [GGUF]
    assert len([r for r in hub.requests if "/tree/" in r.path]) == 5 + 2 + 1
    [small] = [entry for entry in entries if entry.path == "README.md"]
    assert small.blob_id == git_blob_id(b"# A model\n")  # type: ignore[union-attr]


def test_revisions(hub: HubServer) -> None:
    repository = hub.add(REPO, FILES)
    first = repository.refs["main"]
    second = repository.commit({"config.json": b"{}"}, ref="refs/pr/1")
    api = HfApi(endpoint=hub.url)
    assert api.model_info(REPO, revision="refs/pr/1").sha == second
    assert api.model_info(REPO, revision=first).sha == first
    with pytest.raises(RevisionNotFoundError):
        api.model_info(REPO, revision="gone")
    with pytest.raises(RemoteEntryNotFoundError):
        get_hf_file_metadata(hf_hub_url(REPO, "gone", endpoint=hub.url))


def test_file_metadata(hub: HubServer) -> None:
    commit = hub.add(REPO, FILES).refs["main"]
    large = get_hf_file_metadata(hf_hub_url(REPO, GGUF, endpoint=hub.url))
    small = get_hf_file_metadata(hf_hub_url(REPO, "config.json", endpoint=hub.url))
    assert (large.etag, large.size) == (hashlib.sha256(WEIGHTS).hexdigest(), len(WEIGHTS))
    assert (small.etag, small.size) == (git_blob_id(FILES["config.json"]), 23)  # type: ignore[arg-type]
    assert large.commit_hash == small.commit_hash == commit
    assert large.location.startswith("http://localhost:")


def test_gated(hub: HubServer) -> None:
    hub.add(REPO, FILES, gated=True, readers=("hf_good",))
    hub.tokens.add("hf_other")
    assert HfApi(endpoint=hub.url).model_info(REPO).gated == "auto"
    for token, status in ((False, 401), ("hf_other", 403)):
        with pytest.raises(GatedRepoError) as caught:
            get_hf_file_metadata(url(hub), token=token)
        assert caught.value.response.status_code == status
        with pytest.raises(GatedRepoError):
            HfApi(endpoint=hub.url).auth_check(REPO, token=token)
    HfApi(endpoint=hub.url).auth_check(REPO, token="hf_good")
    assert get_hf_file_metadata(url(hub), token="hf_good").size == len(WEIGHTS)


def test_private_missing_and_wrong_token(hub: HubServer) -> None:
    hub.add(REPO, FILES, private=True, readers=("hf_good",))
    hub.tokens.add("hf_other")
    api = HfApi(endpoint=hub.url)
    for name in (REPO, "ada/none"):
        for token, status in ((False, 401), ("hf_other", 404)):
            with pytest.raises(RepositoryNotFoundError) as caught:
                api.model_info(name, token=token)
            assert caught.value.response.status_code == status
    with pytest.raises(HfHubHTTPError) as wrong:
        api.model_info(REPO, token="hf_wrong")
    assert wrong.value.response.status_code == 401
    assert not isinstance(wrong.value, RepositoryNotFoundError)
    assert api.whoami(token="hf_good")["name"] == "ada"
    with pytest.raises(HfHubHTTPError):
        api.whoami(token="hf_wrong")


def test_renamed_repository(hub: HubServer) -> None:
    hub.add("ada/old", FILES)
    hub.rename("ada/old", REPO)
    assert HfApi(endpoint=hub.url).model_info("ada/old").id == REPO
    old = hf_hub_url("ada/old", GGUF, endpoint=hub.url)
    assert get_hf_file_metadata(old).size == len(WEIGHTS)


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        ("bytes=0-", WEIGHTS),
        ("bytes=10-19", WEIGHTS[10:20]),
        (f"bytes=100-{len(WEIGHTS) * 2}", WEIGHTS[100:]),
        ("bytes=-5", WEIGHTS[-5:]),
    ],
)
@pytest.mark.parametrize("on_disk", [False, True])
def test_ranges(
    hub: HubServer,
    client: httpx2.Client,
    tmp_path: Path,
    requested: str,
    expected: bytes,
    on_disk: bool,
) -> None:
    (tmp_path / "weights").write_bytes(WEIGHTS)
    hub.add(REPO, {GGUF: tmp_path / "weights" if on_disk else WEIGHTS})
    reply = client.get(url(hub), headers={"Range": requested})
    assert reply.status_code == 206
    assert reply.content == expected
    start = WEIGHTS.index(expected) if len(expected) > 5 else len(WEIGHTS) - 5
    shown = f"bytes {start}-{start + len(expected) - 1}/{len(WEIGHTS)}"
    assert reply.headers["Content-Range"] == shown
    assert hub.requests[-1].range == requested


def test_a_range_after_the_end(hub: HubServer, client: httpx2.Client) -> None:
    hub.add(REPO, FILES)
    reply = client.get(url(hub), headers={"Range": f"bytes={len(WEIGHTS)}-"})
    assert reply.status_code == 416
    assert reply.headers["Content-Range"] == f"bytes */{len(WEIGHTS)}"


def test_if_range(hub: HubServer, client: httpx2.Client) -> None:
    hub.add(REPO, FILES)
    etag = client.get(url(hub)).headers["ETag"]
    for condition, status in ((etag, 206), ('"other"', 200)):
        headers = {"Range": "bytes=5-9", "If-Range": condition}
        assert client.get(url(hub), headers=headers).status_code == status


def test_small_text_is_compressed(hub: HubServer, client: httpx2.Client) -> None:
    hub.add(REPO, FILES)
    reply = client.get(url(hub, "config.json"))
    assert reply.headers["Content-Encoding"] == "gzip"
    assert reply.headers["ETag"].startswith("W/")
    assert reply.content == FILES["config.json"]
    plain = client.get(url(hub, "config.json"), headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert plain.content == FILES["config.json"]


def test_links_expire(hub: HubServer, client: httpx2.Client) -> None:
    hub.add(REPO, FILES)
    link = str(client.get(url(hub)).url)
    assert client.get(link).status_code == 200
    hub.expire_links()
    assert client.get(link).status_code == 403
    hub.link_seconds = 0.05
    short = client.get(url(hub), follow_redirects=False).headers["Location"]
    time.sleep(0.1)
    assert client.get(short).status_code == 403
    assert client.get(short.replace("Expires=", "Expires=9")).status_code == 403
