"""Pictures in two themes: ``![...](x-light.png)`` also brings ``x-dark.png``, where there is one.

The pages keep to plain Markdown, and the site shows the picture of the theme that is in use.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform


class ThemedImages(SphinxTransform):
    """Puts the dark twin beside a light picture."""

    default_priority = 400  # before the files of images are collected

    def apply(self, **options: Any) -> None:
        for image in list(self.document.findall(nodes.image)):
            light = image["uri"]
            dark = light.replace("-light.png", "-dark.png")
            _, path = self.env.relfn2path(dark, self.env.docname)
            if dark == light or not Path(path).exists():
                continue
            twin = image.copy()
            twin["uri"] = dark
            image["classes"].append("only-light")
            twin["classes"].append("only-dark")
            image.parent.insert(image.parent.index(image) + 1, twin)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_transform(ThemedImages)
    return {"parallel_read_safe": True}
