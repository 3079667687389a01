"""A hub with one GGUF model that replies with any bytes."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from support.hostile_http import HostileRequest, HostileServer, as_json, reply
from support.hub_repository import git_blob_id
from support.model_files import gguf

COMMIT = "c" * 40
REPO = "ada/model"
CONTENT = gguf()

#: Requests for a commit, a listing, the link to a file, and its bytes.
Step = Literal["revision", "tree", "head", "bytes"]


def revision() -> dict[str, Any]:
    return {"id": REPO, "sha": COMMIT, "gated": False, "siblings": [{"rfilename": "m-Q4_0.gguf"}]}


def tree() -> list[dict[str, Any]]:
    """Return the listing of a GGUF file, a small file and a folder."""
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    size = len(CONTENT)
    lfs = {"oid": sha256, "size": size, "pointerSize": 130}
    return [
        {"type": "file", "path": "m-Q4_0.gguf", "oid": "a" * 40, "size": size, "lfs": lfs},
        {"type": "file", "path": "README.md", "oid": git_blob_id(b"Hi"), "size": 2},
        {"type": "directory", "path": "folder", "oid": "b" * 40, "size": 0},
    ]


class HostileHub(HostileServer):
    def kind(self, request: HostileRequest) -> Step:
        if request.command == "HEAD":
            return "head"
        if "/revision/" in request.path:
            return "revision"
        return "tree" if "/tree/" in request.path else "bytes"

    def good(self, kind: Step, request: HostileRequest) -> bytes:
        match kind:
            case "revision":
                return reply(as_json(revision()))
            case "tree":
                return reply(as_json(tree()))
            case "head":
                return reply(length=str(len(CONTENT)).encode())
        first, last = map(int, request.headers["Range"].removeprefix("bytes=").split("-"))
        content_range = f"Content-Range: bytes {first}-{last}/{len(CONTENT)}\r\n".encode()
        return reply(CONTENT[first : last + 1], "206 Partial Content", content_range)
