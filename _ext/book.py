"""What the book needs and Sphinx does not give: credits, drawings, teasers."""

import xml.etree.ElementTree as ET
from pathlib import Path

from beside import once_built, save_webp
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.directives.patches import Figure
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

from helpers.images import catalogue, load_image

WIDEST, HIGHEST = 160, 120  # of a thumbnail, in pixels
THUMBNAIL = (
    '<img class="thumbnail" src="../_static/photos/{name}.webp" alt="" loading="lazy" decoding="async">'
)


class PhotoCredits(SphinxDirective):
    """A definition list of all photos of the catalogue: picture, author, licence, source, chapters."""

    def run(self) -> list[nodes.Node]:
        """Make the list."""
        entries, chapters = [], Path(self.env.srcdir, "chapters")
        for photo in catalogue().values():
            text = nodes.paragraph("", f"{photo.alt} Photo: {photo.credit}. ")
            text += nodes.reference("", f"Source of {photo.name}", refuri=photo.page)
            text += nodes.Text(f". Comes with {photo.package}. " if photo.package else ". On the web. ")
            text += nodes.Text(f"{photo.note} " if photo.note else "")
            text += used_in(photo.name, chapters)
            entry = nodes.definition("", text)
            if photo.package:
                entry.insert(0, nodes.raw("", THUMBNAIL.format(name=photo.name), format="html"))
            term = nodes.term("", "", nodes.literal("", photo.name))
            entries.append(nodes.definition_list_item("", term, entry))
        return [nodes.definition_list("", *entries, classes=["photo-credits"])]


def used_in(name: str, chapters: Path) -> list[nodes.Node]:
    """The chapters whose code or text names a photo, with a link to each."""
    paths = [path for path in sorted(chapters.glob("*.ipynb")) if f'\\"{name}\\"' in path.read_text("utf-8")]
    links = [nodes.reference("", str(int(path.name[:2])), refuri=f"{path.stem}.html") for path in paths]
    separated = [part for link in links for part in (nodes.Text(", "), link)][1:]
    return [nodes.Text("Named in chapter "), *separated, nodes.Text(".")] if links else []


def put_thumbnails(app: Sphinx) -> None:
    """A small picture of each packaged photo beside the pages."""
    folder = Path(app.outdir, "_static", "photos")
    for photo in catalogue().values():
        path = folder / f"{photo.name}.webp"
        if photo.package and not path.exists():
            picture = load_image(photo.name)
            save_webp(picture, path, min(WIDEST, round(HIGHEST * picture.width / picture.height)))


class Drawing(Figure):
    """A figure with one of the book's drawings, named fig-NAME; the alt text is the drawing's description."""

    def run(self) -> list[nodes.Node]:
        """Make the figure."""
        name, env = self.arguments[0], self.state.document.settings.env
        drawing = Path(env.srcdir, "_static", "drawings", f"{name}.svg")
        env.note_dependency(str(drawing))
        self.arguments[0] = f"/_static/drawings/{name}.svg"
        self.options["alt"] = ET.parse(drawing).findtext("{http://www.w3.org/2000/svg}desc", "")
        self.options["name"] = f"fig-{name.replace('_', '-')}"
        return super().run()


class Teaser(SphinxDirective):
    """A figure of the same page, shown in its first screen; the content is the sentence below it."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Leave the figure's name for `ShowTeaser`, since the figure has not been read yet."""
        box = nodes.container(classes=["teaser"], figure=nodes.fully_normalize_name(self.arguments[0]))
        self.state.nested_parse(self.content, self.content_offset, box)
        return [box]


class ShowTeaser(SphinxTransform):
    """Put a copy of the figure's picture into each teaser, once the whole page has been read."""

    default_priority = 400

    def apply(self) -> None:
        """Copy the pictures."""
        figures = {name: figure for figure in self.document.findall(nodes.figure) for name in figure["names"]}
        for box in self.document.findall(nodes.container):
            if "teaser" not in box["classes"]:
                continue
            if box["figure"] not in figures:
                raise ExtensionError(
                    f"{self.env.docname}: a teaser names no figure of its page: {box['figure']}"
                )
            pictures = [
                node.deepcopy() for node in figures[box["figure"]] if not isinstance(node, nodes.caption)
            ]
            box[0:0] = pictures


def setup(app: Sphinx) -> dict[str, bool]:
    """Register everything with Sphinx."""
    app.add_directive("photo-credits", PhotoCredits)
    app.add_directive("drawing", Drawing)
    app.add_directive("teaser", Teaser)
    app.add_transform(ShowTeaser)
    once_built(app, put_thumbnails)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
