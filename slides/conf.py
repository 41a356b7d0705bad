"""How the decks look: Sphinx reads this when `make slides` has written their sources."""

project = "Seeing what a CNN sees"
author = "the authors of Seeing what a CNN sees"
copyright = "2026, the authors of Seeing what a CNN sees"
language = "en"
extensions = ["myst_parser", "sphinx_revealjs"]
root_doc = "index"
exclude_patterns = ["_build"]
smartquotes = False  # the sentences are set as the chapters have them

revealjs_html_theme = "revealjs-simple"  # no stylesheet of Sphinx
revealjs_style_theme = "white"  # figures are drawn on white
revealjs_static_path = ["_static"]
revealjs_css_files = ["slides.css"]
revealjs_use_index = False
revealjs_script_conf = {
    "width": 1280,
    "height": 720,
    "margin": 0.03,
    "hash": True,  # an address for each slide
    "slideNumber": "c/t",
    "transition": "none",
}
revealjs_script_plugins = [{"name": "RevealNotes", "src": "revealjs/plugin/notes/notes.js"}]
