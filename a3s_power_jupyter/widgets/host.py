"""What runs the cells, as far as displays must know."""

from __future__ import annotations

import os
from typing import Any

from IPython.core.getipython import get_ipython


def shows_widgets() -> bool:
    """Whether somebody may look at a widget while its kernel lives.

    nbclient, with which nbconvert and papermill run notebooks, puts the state of each widget into
    the notebook, its code too, and then a widget without a kernel is shown in place of the HTML.
    It is told by its requests, which allow no questions to a person.
    """
    request: dict[str, Any] = getattr(get_ipython(), "get_parent", dict)()
    attended: bool = request.get("content", {}).get("allow_stdin", True)
    # Voilà runs cells in the same way, and people look at it.
    return attended or os.environ.get("SERVER_SOFTWARE", "").startswith("voila/")
