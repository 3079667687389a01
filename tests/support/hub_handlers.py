"""Request handlers of the test hub: metadata and redirects on one host, large files on another."""

from __future__ import annotations

import hashlib
import json
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlencode, urlsplit

from support.hub_failures import Failure, Record, Stage
from support.hub_listing import Query
from support.hub_repository import Blob, Repository, make_blob
from support.hub_sending import Body, send

if TYPE_CHECKING:
    from support.hub_server import HostServer


class Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    host: Literal["hub", "cdn"]
    server: HostServer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.hub = self.server.hub
        self.url_path = url.path
        self.query = dict(parse_qsl(url.query))
        self.segments = [unquote(segment) for segment in url.path.split("/")[1:]]
        self.record = Record(
            host=self.host,
            method=self.command,
            path="/" + "/".join(self.segments),
            authorization=self.headers.get("Authorization"),
            range=self.headers.get("Range"),
            headers=dict(self.headers),
        )
        self.hub.requests.append(self.record)
        self.respond()

    do_HEAD = do_GET  # noqa: N815  # http.server's name

    def respond(self) -> None:
        raise NotImplementedError

    def stage(self, of_get: Stage) -> Stage:
        return "head" if self.command == "HEAD" else of_get

    def simulate(self, stage: Stage, path: str) -> Failure | None:
        """Simulate a failure; return None if the failure was the whole reply."""
        failure = self.hub.failure(stage, path)
        if failure.delay is not None:
            self.hub.stopping.wait(failure.delay)
        if failure.drip is not None:
            self.drip(failure.drip)
        elif failure.status is not None:
            self.reply(failure.status, b"simulated", **(failure.headers or {}))
        elif not failure.hang_up:
            return failure
        self.close_connection = self.close_connection or not failure.status
        return None

    def drip(self, pause: float) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not self.hub.stopping.wait(pause):
            self.wfile.write(b"x")

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.record.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET" and body:
            self.wfile.write(body)
            self.record.sent += len(body)

    def reply_json(self, value: object, **headers: str) -> None:
        self.reply(200, json.dumps(value).encode(), Content_Type="application/json", **headers)

    def reply_file(self, blob: Blob, failure: Failure, etag: str, **headers: str) -> None:
        if failure.content is not None:
            blob = make_blob(self.record.path, failure.content)
            etag = blob.etag
        send(self, blob, Body(failure, failure.etag or etag, headers))

    def address_string(self) -> str:
        return self.host

    def log_message(self, *arguments: object) -> None:
        pass


class Cdn(Request):
    """Serves files to clients with a valid link."""

    host = "cdn"

    def respond(self) -> None:
        owner, name, commit, *segments = self.segments
        path = self.record.path = "/".join(segments)
        if not self.hub.is_valid_link(self.url_path, self.query):
            self.reply(403, b"<Error><Code>AccessDenied</Code></Error>")
            return
        failure = self.simulate(self.stage("bytes"), path)
        if failure is not None:
            blob = self.hub.repositories[f"{owner}/{name}"].commits[commit][path]
            # A storage service has ETags that are not the hash of the content.
            self.reply_file(blob, failure, hashlib.md5(blob.sha256.encode()).hexdigest())  # noqa: S324


class Hub(Request):
    """Serves metadata, and redirects to the files."""

    host = "hub"

    def respond(self) -> None:
        match self.segments:
            case ["api", "whoami-v2"]:
                self.whoami()
            case ["api", "resolve-cache", "models", owner, name, commit, *path]:
                if repository := self.readable(f"{owner}/{name}", files=True):
                    self.small_file(repository, commit, "/".join(path))
            case ["api", "models"]:
                if self.simulate("api", self.record.path):
                    self.list_models()
            case ["api", "models", owner, name, *action]:
                if self.simulate("api", self.record.path) and (
                    repository := self.readable(f"{owner}/{name}", files=action == ["auth-check"])
                ):
                    self.metadata(repository, action)
            case [owner, name, "resolve", revision, *path] if path:
                if repository := self.readable(f"{owner}/{name}", files=True):
                    self.file(repository, revision, "/".join(path))
            case _:
                self.refuse(404, "", "Not found")

    def refuse(self, status: int, code: str, message: str) -> None:
        headers = {"X_Error_Message": message} | ({"X_Error_Code": code} if code else {})
        body = json.dumps({"error": message}).encode()
        self.reply(status, body, Content_Type="application/json", **headers)

    @property
    def token(self) -> str | None:
        header = self.record.authorization
        return None if header is None else header.removeprefix("Bearer ")

    def whoami(self) -> None:
        if self.token not in self.hub.tokens:
            self.refuse(401, "", "Invalid credentials in Authorization header")
            return
        token = {"displayName": "tests", "role": "read"}
        auth = {"type": "access_token", "accessToken": token}
        self.reply_json({"type": "user", "name": "ada", "orgs": [], "auth": auth})

    def list_models(self) -> None:
        if self.token is not None and self.token not in self.hub.tokens:
            self.refuse(401, "", "Invalid credentials in Authorization header")
            return
        query = Query(parse_qs(urlsplit(self.path).query))
        found = query.find(self.hub.repositories.values(), self.token)
        page = found[query.start : query.start + query.limit]
        headers = {}
        if len(found) > query.start + query.limit:
            headers["Link"] = f'<{self.hub.url}/api/models?{query.next()}>; rel="next"'
        self.reply_json([query.expanded(repository) for repository in page], **headers)

    def readable(self, name: str, *, files: bool) -> Repository | None:
        """Return the repository if the token gives access to it, or else reply and return None."""
        if name in self.hub.renamed:
            location = self.path.replace(f"/{name}", f"/{self.hub.renamed[name]}", 1)
            self.reply(307, Location=location)
            return None
        repository = self.hub.repositories.get(name)
        reader = repository is not None and self.token in repository.readers
        if self.token is not None and self.token not in self.hub.tokens:
            self.refuse(401, "", "Invalid credentials in Authorization header")
        elif repository is None or (repository.private and not reader):
            # The hub does not reveal whether a private repository exists.
            status = 401 if self.token is None else 404
            self.refuse(status, "RepoNotFound", "Repository not found")
        elif repository.gated and files and not reader:
            status = 401 if self.token is None else 403
            self.refuse(status, "GatedRepo", f"Access to model {name} is restricted.")
        else:
            return repository
        return None

    def commit_of(self, repository: Repository, revision: str) -> str | None:
        commit = repository.find(revision)
        if commit is None:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    def metadata(self, repository: Repository, action: list[str]) -> None:
        match action:
            case ["auth-check"]:
                self.reply(200)
            case ["tree", revision, *path]:
                if commit := self.commit_of(repository, revision):
                    self.tree(repository, commit, "/".join(path))
            case [] | ["revision", _]:
                if commit := self.commit_of(repository, action[1] if action else "main"):
                    detailed = self.query.get("blobs", "").lower() in ("1", "true")
                    self.reply_json(repository.info(commit, detailed=detailed))
            case _:
                self.refuse(404, "", "Not found")

    def tree(self, repository: Repository, commit: str, folder: str) -> None:
        recursive = self.query.get("recursive", "").lower() in ("1", "true")
        entries = repository.tree(commit, folder, recursive=recursive)
        if entries is None:
            self.refuse(404, "EntryNotFound", f"{folder} does not exist")
            return
        start = int(self.query.get("cursor", "0"))
        end = start + min(self.hub.page, int(self.query.get("limit", self.hub.page)))
        headers = {}
        if end < len(entries):
            query = urlencode(self.query | {"cursor": str(end)})
            headers["Link"] = f'<{self.hub.url}{self.url_path}?{query}>; rel="next"'
        self.reply_json(entries[start:end], **headers)

    def file(self, repository: Repository, revision: str, path: str) -> None:
        commit = self.commit_of(repository, revision)
        if commit is None:
            return
        blob = repository.commits[commit].get(path)
        if blob is None:
            self.refuse(404, "EntryNotFound", "Entry not found")
            return
        failure = self.simulate(self.stage("redirect"), path)
        if failure is None:
            return
        if not blob.lfs:
            location = f"/api/resolve-cache/models/{repository.name}/{commit}/{quote(path)}"
            self.reply(307, Location=location, X_Repo_Commit=commit)
            return
        etag = failure.etag or blob.etag
        self.reply(
            302,
            Location=self.hub.link(repository, path, commit),
            X_Repo_Commit=commit,
            X_Linked_Etag=f'"{etag}"',
            X_Linked_Size=str(blob.size),
            Accept_Ranges="bytes",
        )

    def small_file(self, repository: Repository, commit: str, path: str) -> None:
        failure = self.simulate(self.stage("bytes"), path)
        if failure is not None:
            blob = repository.commits[commit][path]
            self.reply_file(blob, failure, blob.etag, X_Repo_Commit=commit)
