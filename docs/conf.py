"""The documentation site: ``sphinx-build -W docs build/docs`` (extra ``docs``). Warnings are errors."""

from conda_pack import __version__

project = "conda-pack"
author = "the conda-pack developers"
release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_heading_anchors = 3  # links to headings, as on the forge: page.md#a-heading
html_theme = "furo"
html_title = f"conda-pack {release}"
html_show_copyright = False

autodoc_member_order = "bysource"
python_maximum_signature_line_length = 80
