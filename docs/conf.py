"""Sphinx configuration: ``sphinx-build -W --keep-going -b html docs OUT``, without a network."""

from __future__ import annotations

import sys
from pathlib import Path

import a3s_power_jupyter

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "A3S Power for Jupyter"
author = copyright = "The a3s-power-jupyter developers"  # noqa: A001  # named by Sphinx
release = version = a3s_power_jupyter.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "rest_reference",
    "themed_images",
]
exclude_patterns = ["soak/*.md"]  # included in reliability.md
myst_heading_anchors = 3
highlight_language = "text"  # code blocks without a language are cells with magics

# ---------------------------------------------------------------- Python

default_role = "literal"  # for text in single backquotes in docstrings
add_module_names = False
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "undoc-members": True}
python_maximum_signature_line_length = 100
napoleon_google_docstring = False
napoleon_use_ivar = True  # autodoc lists the fields themselves

# ---------------------------------------------------------------- HTML

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
templates_path = ["_templates"]
html_sidebars = {"**": ["pages.html"]}
html_copy_source = False
html_theme_options = {
    "navbar_center": [],
    "navbar_persistent": [],
    "navbar_end": ["search-button-field", "theme-switcher"],
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
