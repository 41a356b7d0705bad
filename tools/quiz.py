"""The quizzes of a chapter: read from its text, and written as folds that Jupyter shows as it is."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

BLOCK = re.compile(r"^(:{3,})\{quiz\} +(\S.*?)\s*\n(.*?)^\1 *$", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"^- \[([ x])\] +(\S.*?)\s*$")
NAMED = re.compile(r"^(.*\S) +\*([^*]+[.!?])\*$")
FEWEST, MOST = 3, 4  # options of a question
LETTERS = "ABCD"
RIGHT, WRONG = "Right.", "Not so."

# What stands between HTML tags is not read as Markdown; formulas are, in Jupyter, so they stay as they are.
INLINE = MarkdownIt().use(dollarmath_plugin)
INLINE.add_render_rule("math_inline", lambda self, tokens, k, options, env: f"${tokens[k].content}$")


class QuizError(ValueError):
    """A quiz that cannot be read, and the line of the block in which, counted from 0."""

    def __init__(self, message: str, line: int) -> None:
        """Keep the line beside the message."""
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Option:
    """One answer to choose; a wrong one names the misconception behind it."""

    text: str
    right: bool
    misconception: str
    reply: str

    @property
    def verdict(self) -> str:
        """What is said when it is opened, in words."""
        return RIGHT if self.right else WRONG


@dataclass(frozen=True)
class Question:
    """A question with its options, in the order in which they are written."""

    text: str
    options: tuple[Option, ...]


def options_of(lines: Iterable[str]) -> tuple[Option, ...]:
    """The options of a quiz, from the lines between its fences."""
    found: list[tuple[int, re.Match[str], list[str]]] = []
    for number, line in enumerate(lines):
        if match := OPTION.match(line):
            found.append((number, match, []))
        elif found and line.startswith("  "):
            found[-1][2].append(line.strip())
        elif line.strip():
            raise QuizError(
                f'expected "- [x] option", "- [ ] option" or an indented reply, got {line!r}', number
            )
    options = tuple(option_of(number, *match.groups(), replies) for number, match, replies in found)
    if not FEWEST <= len(options) <= MOST:
        raise QuizError(f"expected {FEWEST} or {MOST} options, got {len(options)}", 0)
    if (right := sum(option.right for option in options)) != 1:
        raise QuizError(f"expected one right option, marked [x], got {right}", 0)
    return options


def option_of(number: int, mark: str, text: str, replies: Sequence[str]) -> Option:
    """One option, from its line and the indented lines below it."""
    reply, right, named = " ".join(replies), mark == "x", NAMED.match(text)
    if not reply:
        raise QuizError(f"expected an indented reply below the option {text!r}, got none", number)
    if right and named:
        raise QuizError(f"expected no misconception behind the right option, got {named[2]!r}", number)
    if not right and not named:
        raise QuizError(f"expected *the misconception.* at the end of the wrong option, got {text!r}", number)
    return Option(named[1] if named else text, right, named[2] if named else "", reply)


def questions_of(markdown: str) -> list[Question]:
    """All questions of a text."""
    return [Question(text, options_of(body.splitlines())) for _, text, body in BLOCK.findall(markdown)]


def quiz_as_details(markdown: str) -> str:
    """The text with each quiz as HTML folds, which Jupyter shows; all else stays as it is."""
    return BLOCK.sub(lambda block: in_html(Question(block[2], options_of(block[3].splitlines()))), markdown)


def in_html(question: Question) -> str:
    """A question with its options as folds; the empty lines let Jupyter read what they hold as Markdown."""
    parts = [f"**{question.text}**"]
    for letter, option in zip(LETTERS, question.options, strict=False):
        summary = f"<summary><b>{letter}</b> {INLINE.renderInline(option.text)}</summary>"
        parts += [f"<details>\n{summary}", f"**{option.verdict}** {reply_of(option)}", "</details>"]
    return "\n\n".join([*parts, "<br>"])  # else the next question touches the last fold


def reply_of(option: Option) -> str:
    """The misconception's name, where there is one, and the reply."""
    return f"*{option.misconception}* {option.reply}" if option.misconception else option.reply
