"""Print the routes of a notebook server with all its extensions: ``python route_table.py``.

Each line is the module of a handler, and the pattern of its paths.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from jupyter_server.serverapp import ServerApp
from tornado.routing import RuleRouter


def routes(router: RuleRouter) -> Iterator[tuple[str, str]]:
    """Yield the module and the pattern of each handler, in the order of the routes."""
    for rule in router.rules:
        if isinstance(rule.target, RuleRouter):
            yield from routes(rule.target)
        elif hasattr(rule.matcher, "regex"):
            yield rule.target.__module__, rule.matcher.regex.pattern


if __name__ == "__main__":
    app = ServerApp()
    app.initialize(["--ip=127.0.0.1", "--port=0", "--no-browser", "--allow-root"])
    for module, pattern in routes(app.web_app.default_router):
        sys.stdout.write(f"{module} {pattern}\n")
