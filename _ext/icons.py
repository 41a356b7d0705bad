"""The theme's icon fonts and their rules, cut down to the icons that the pages use: 2 % of their bytes."""

import re
from pathlib import Path

import pydata_sphinx_theme
from beside import once_built
from fontTools import subset
from sphinx.application import Sphinx

THEME = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme"
STYLES = "_static/styles/pydata-sphinx-theme.css"
FONTS = "_static/vendor/fontawesome/webfonts"
ICON = re.compile(r'((?:\.fa-[\w-]+:before,?)+)\{content:"\\([0-9a-f]+)"\}')


def whole(name: str) -> Path:
    """A file of the theme's, as it was before it was cut."""
    return THEME / name.removeprefix("_")


def characters() -> dict[str, int]:
    """The theme's icons: the character of each by its name."""
    styles = whole(STYLES).read_text(encoding="utf-8")
    return {
        name: int(code, 16) for rule, code in ICON.findall(styles) for name in re.findall(r"fa-[\w-]+", rule)
    }


def used(folder: Path) -> set[int]:
    """The characters of all icons: those that pages name, and those that style sheets show by themselves."""
    names = characters()
    sheets = [path.read_text(encoding="utf-8") for path in (folder / "_static").rglob("*.css")]
    shown = {ord(icon) for sheet in sheets for icon in re.findall("[\uf000-\uf8ff]", ICON.sub("", sheet))}
    shown |= {
        int(code, 16) for sheet in sheets for code in re.findall(r"\\(f[0-9a-f]{3})\b", ICON.sub("", sheet))
    }
    named = {
        name
        for path in [*folder.rglob("*.html"), *(folder / "_static").rglob("*.js")]
        for name in re.findall(r"fa-[\w-]+", path.read_text(encoding="utf-8"))
    }
    return shown | {names[name] for name in named & names.keys()}


def cut_fonts(app: Sphinx) -> None:
    """Write each icon font and the theme's style sheet anew with the used icons only."""
    styles = Path(app.outdir, STYLES)
    if not styles.exists():  # no page was made anew
        return
    icons = used(Path(app.outdir))
    rules = whole(STYLES).read_text(encoding="utf-8")
    rules = ICON.sub(lambda rule: rule[0] if int(rule[2], 16) in icons else "", rules)
    styles.write_text(rules, encoding="utf-8", newline="\n")
    for path in Path(app.outdir, FONTS).glob("*.woff2"):
        options = subset.Options(flavor="woff2")
        font = subset.load_font(str(whole(f"{FONTS}/{path.name}")), options)
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=icons)
        cutter.subset(font)
        subset.save_font(font, str(path), options)


def setup(app: Sphinx) -> dict[str, bool]:
    """Cut the fonts when all pages stand."""
    once_built(app, cut_fonts, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
