"""Show images in the reader's theme: ``![...](x-light.png)`` adds ``x-dark.png`` if it exists.

The pages stay plain Markdown, and CSS classes of the site's theme hide one of the two images. An
SVG image has the colours of both themes itself, which the site's theme must not change.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform


class ThemedImages(SphinxTransform):
    """Insert the dark variant after each light image, and mark SVG images as fit for both."""

    default_priority = 400  # before Sphinx collects the image files

    def apply(self, **options: Any) -> None:
        for image in list(self.document.findall(nodes.image)):
            light = image["uri"]
            if light.endswith(".svg"):
                image["classes"].append("dark-light")
            dark = light.replace("-light.png", "-dark.png")
            _, path = self.env.relfn2path(dark, self.env.docname)
            if dark == light or not Path(path).exists():
                continue
            dark_image = image.copy()
            dark_image["uri"] = dark
            image["classes"].append("only-light")
            dark_image["classes"].append("only-dark")
            image.parent.insert(image.parent.index(image) + 1, dark_image)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_transform(ThemedImages)
    return {"parallel_read_safe": True}
