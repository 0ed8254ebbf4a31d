"""Sphinx: MyST pages, the Furo theme, nothing fetched from another host."""

from __future__ import annotations

from importlib.metadata import version as version_of

project = "Backstay"
author = "Backstay contributors"
copyright = "2026, Backstay contributors"
release = version = version_of("backstay")

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = "Backstay"
html_copy_source = False
language = "en"
