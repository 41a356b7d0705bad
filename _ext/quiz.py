"""Quizzes: each option is a fold with its answer, so that pages need no script; a list in other builds."""

import sys
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

sys.path.append(str(Path(__file__).parents[1]))  # jupyter-book starts elsewhere
from tools.quiz import LETTERS, Option, QuizError, options_of, reply_of

CELL = 10_000  # MyST-NB adds k times this, and one, to the lines of a notebook's cell k


class Quiz(SphinxDirective):
    """A question; the content is a list of options, the right one marked, each with a reply below it."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Make a paragraph and a list, which every builder can show."""
        try:
            options = options_of(self.content)
        except QuizError as error:
            place = self.place(self.lineno + 1 + error.line)
            raise ExtensionError(f"{self.env.docname}, {place}: {error}") from error
        name = f"quiz-{self.env.new_serialno('quiz') + 1}"
        question = nodes.paragraph(
            "", "", *self.inline(self.arguments[0]), classes=["quiz-question"], ids=[name]
        )
        choices = nodes.enumerated_list(
            "", *map(self.item, options), enumtype="upperalpha", prefix="", suffix="."
        )
        return [nodes.container("", question, choices, classes=["quiz"])]

    def item(self, option: Option) -> nodes.list_item:
        """An option with its reply."""
        verdict = nodes.strong("", option.verdict)
        reply = nodes.paragraph("", "", verdict, nodes.Text(" "), *self.inline(reply_of(option)))
        return nodes.list_item("", nodes.paragraph("", "", *self.inline(option.text)), reply)

    def inline(self, text: str) -> list[nodes.Node]:
        """Formulas, code and roles within a line."""
        return self.state.inline_text(text, self.lineno)[0]

    def place(self, line: int) -> str:
        """Where a line stands, as an author counts."""
        if self.env.doc2path(self.env.docname).endswith(".ipynb"):
            return f"cell {line // CELL}, line {line % CELL - 1}"
        return f"line {line}"


class FoldOptions(SphinxPostTransform):
    """On web pages the options become native folds."""

    default_priority = 100  # once links are resolved
    formats = ("html",)

    def run(self) -> None:
        """Fold every quiz of the page."""
        for box in [box for box in self.document.findall(nodes.container) if "quiz" in box["classes"]]:
            question, choices = box.children
            group = f'<div class="quiz" role="group" aria-labelledby="{question["ids"][0]}">'
            folds = [part for fold in zip(LETTERS, choices, strict=False) for part in folded(*fold)]
            box.parent.replace(box, [html(group), question, *folds, html("</div>")])


def folded(letter: str, item: nodes.list_item) -> list[nodes.Node]:
    """The parts of a fold; a link inside of what opens it could not be reached, so only its words stay."""
    option, reply = item.children
    for link in list(option.findall(nodes.reference)):
        link.parent.replace(link, link.children)
    return [
        html(f'<details class="quiz-option"><summary><b>{letter}</b><span>'),
        *option.children,
        html(f'</span></summary><div class="quiz-reply" data-letter="{letter}">'),
        reply,
        html("</div></details>"),
    ]


def html(text: str) -> nodes.raw:
    """A piece of a page."""
    return nodes.raw("", text, format="html")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive and its folds."""
    app.add_directive("quiz", Quiz)
    app.add_post_transform(FoldOptions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
