"""Turn addresses of web pages, of the hub and of other sites, into references."""

from __future__ import annotations

import os
import re
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

HUB = "huggingface.co"

_HUB_HOST = re.compile(
    r"(?:(?:https?|hf)://)?(?:www\.)?(?:huggingface\.co|hf\.co)(?:/|$)|hf://", re.IGNORECASE
)
_ADDRESS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>[^/?#]*)(?P<rest>.*)", re.DOTALL
)
#: A mirror without a scheme. Names of users on the hub contain no dots.
_BARE_HOST = re.compile(
    r"(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|cn|org|net|io|ai|co|dev|app))"
    r"(?P<rest>/[^/]+/[^/]+.*)",
    re.IGNORECASE | re.DOTALL,
)

#: Path segments before a revision.
_PAGES = ("blob", "resolve", "raw", "tree", "blame", "commits", "commit", "edit")
_NOT_MODELS = {
    "datasets": "a dataset",
    "spaces": "a space",
    "collections": "a collection",
    "buckets": "a bucket",
    "papers": "a paper",
    "docs": "the documentation",
    "blog": "the blog",
    "settings": "the settings",
    "models": "a list of models; open one of them and copy the address of its page",
}
#: Pages of a model that are not about a revision.
_TABS = ("discussions", "community", "settings", "activity")


class NotAModel(Exception):
    """The address is not that of a model.

    Parameters
    ----------
    message : str
        The reason, with a space at its end.
    *candidates : str
        References that may be meant.
    """

    def __init__(self, message: str, *candidates: str) -> None:
        super().__init__(message)
        self.candidates = candidates


def from_address(text: str) -> str:
    """Return the reference that an address stands for, or `text` if it is no address.

    Addresses are those of pages of the hub, whether it is huggingface.co or the server in
    ``HF_ENDPOINT``, with or without a scheme.

    Raises
    ------
    NotAModel
        If it is the address of something else.
    """
    endpoint = _without_scheme(os.environ.get("HF_ENDPOINT", "").strip()).rstrip("/")
    plain = _without_scheme(text)
    is_address = plain != text or re.match(r"[^/]*[.:]", endpoint)
    if endpoint and is_address and plain.lower().startswith(f"{endpoint.lower()}/"):
        return _from_page(plain[len(endpoint) + 1 :])
    hub = _HUB_HOST.match(text)
    if hub is not None:
        return _from_page(text[hub.end() :])
    other = _ADDRESS.match(text) or _BARE_HOST.match(text)
    if other is not None:
        raise NotAModel(_other_host(other, endpoint.partition("/")[0] or HUB))
    return text


def _without_scheme(address: str) -> str:
    """Return an http or https address without its scheme, user and password."""
    return re.sub(r"^https?://(?:[^/]*@)?", "", address, flags=re.IGNORECASE)


def _other_host(address: re.Match[str], hub: str) -> str:
    scheme = address.groupdict().get("scheme") or "https"
    host = address["host"].rpartition("@")[2]  # without a password
    if scheme.lower() not in ("http", "https"):
        return f"It begins with {scheme[:20]}:// and not with the address of the hub. "
    return (
        f"It is an address on {host[:100]}, but models are pulled from {hub}. If {host[:100]} is a "
        f"mirror of the hub, set HF_ENDPOINT={scheme}://{host[:100]} in the environment of the "
        "notebook server and restart it. If it is another site, download the files there and "
        "register them. "
    )


def _from_page(rest: str) -> str:
    """Return the reference for what follows the host in the address of a page."""
    url = urlsplit(f"https://hub/{rest}")
    owner, *segments = url.path[1:].removeprefix("api/models/").rstrip("/").split("/")
    if owner in _NOT_MODELS:
        raise NotAModel(f"It is the address of {_NOT_MODELS[owner]}. ")
    if not segments:
        raise NotAModel(
            "It is the page of a user or an organization; add the name of the repository. "
            if owner
            else ""
        )
    repo = f"{owner}/{unquote(segments[0]).removesuffix('.git')}"
    return _from_model_page(repo, segments[1:], url)


def _from_model_page(repo: str, segments: list[str], url: SplitResult) -> str:
    shown = parse_qs(url.query).get("show_file_info")  # the site's link to a GGUF header
    if not segments:
        return f"{repo}/{shown[0]}" if shown else repo
    if segments[0] in _TABS and not segments[-1].lower().endswith(".gguf"):
        return repo
    if len(segments) < 2 or segments[0] not in _PAGES:
        return "/".join([repo, *map(unquote, segments)])
    revision, path = unquote(segments[1]), "/".join(map(unquote, segments[2:]))
    if "/" in revision and not revision.startswith("refs/"):
        raise NotAModel("Give a branch that contains a slash separately, as the revision. ")
    at = "" if revision == "main" else f"@{revision}"
    if segments[0] == "tree" and path and not path.lower().endswith(".gguf"):
        raise NotAModel(
            f"It is the address of a folder. Pull {repo}{at} or one of its files. ", f"{repo}{at}"
        )
    return f"{repo}{at}/{path}" if path else f"{repo}{at}"
