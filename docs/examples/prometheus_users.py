"""List the running servers of JupyterHub's users in a file for Prometheus.

    python prometheus_users.py hub.example.org /etc/prometheus/jupyterhub-users.json

The first argument is the address at which Prometheus reaches the hub's proxy. JupyterHub runs this
program as a service with the scopes list:users and read:servers, and sets the variables
JUPYTERHUB_API_URL and JUPYTERHUB_API_TOKEN. It needs nothing but Python.
"""

import argparse
import json
import os
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

#: With it, the hub says where the next page is.
PAGES = "application/jupyterhub-pagination+json"


def users(url, token):
    """Yield the users that have a server, with their servers."""
    headers = {"Authorization": f"token {token}", "Accept": PAGES}
    offset = 0
    while True:
        query = urllib.parse.urlencode({"state": "ready", "offset": offset})
        request = urllib.request.Request(f"{url}/users?{query}", headers=headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
            page = json.load(reply)
        yield from page["items"]
        following = page["_pagination"]["next"]
        if following is None:
            return
        offset = following["offset"]


def targets(users, address):
    """Return the content of the file: a target for each server that is ready."""
    return [
        {
            "targets": [address],
            "labels": {
                # Prometheus encodes it again.
                "__metrics_path__": urllib.parse.unquote(server["url"]) + "metrics",
                "instance": "/".join(filter(None, [user["name"], server["name"]])),
                "user": user["name"],
            },
        }
        for user in users
        for server in user["servers"].values()
        if server["ready"]
    ]


def write(path, content):
    """Replace a file in one step, because Prometheus may read it at any moment."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps(content, indent=2), encoding="utf-8")
    new.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("address", help="host, or host:port, of the hub's proxy")
    parser.add_argument("file", type=Path)
    parser.add_argument("--every", type=float, default=30, metavar="SECONDS")
    options = parser.parse_args()
    url, token = os.environ["JUPYTERHUB_API_URL"], os.environ["JUPYTERHUB_API_TOKEN"]
    while True:
        try:
            write(options.file, targets(users(url, token), options.address))
        except OSError as error:  # the hub may be starting; the old file stays
            sys.stderr.write(f"{options.file} was not written: {error}\n")
        time.sleep(options.every)


if __name__ == "__main__":
    main()
