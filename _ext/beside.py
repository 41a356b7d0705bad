"""What the extensions put beside the pages: when, and pictures no larger than they are shown."""

from collections.abc import Callable
from pathlib import Path

from PIL import Image
from sphinx.application import Sphinx


def once_built(app: Sphinx, put: Callable[[Sphinx], None], priority: int = 500) -> None:
    """Call `put` at the end of each build of web pages that went well; the lowest priority comes first."""

    def finished(app: Sphinx, error: Exception | None) -> None:
        if error is None and app.builder.format == "html":
            put(app)

    app.connect("build-finished", finished, priority=priority)


def save_webp(picture: Image.Image, path: Path, width: int) -> None:
    """Save a picture as WebP of so many pixels across, its height in proportion."""
    height = round(picture.height * width / picture.width)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS).save(path, quality=82)
