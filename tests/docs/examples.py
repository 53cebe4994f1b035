"""The examples of the documentation: its commands and its Python."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))

_PROGRAMS: Final = ("booktape", ".venv/bin/booktape", "make", "python", "celery", "duckdb", "docker", "curl")
_OPTIONAL: Final = re.compile(r" \[(-[^\]]*)\]")


@dataclass(frozen=True)
class Example:
    """A command or a piece of Python, and the line of the page that it begins in."""

    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def words(self) -> list[str]:
        """A command as the shell splits it, comment and brackets around what may be left out taken away."""
        return shlex.split(_OPTIONAL.sub(r" \1", self.text), comments=True)


def commands() -> Iterator[Example]:
    """Every command in an indented or fenced block."""
    for page in PAGES:
        lines = iter(enumerate(page.read_text().splitlines(), start=1))
        fence = None
        for number, line in lines:
            if line.startswith("```"):
                fence = line if fence is None else None
            elif (line.startswith("    ") if fence is None else fence in ("```", "```sh")) and _is_command(line):
                text = line.strip()
                while text.endswith("\\"):
                    text = text[:-1] + next(lines)[1].strip()
                yield Example(str(page.relative_to(ROOT)), number, text)


def python() -> Iterator[Example]:
    """The Python of each page, as one program: a block may use what one before it has made."""
    for page in PAGES:
        blocks: list[str] = []
        first = 0
        inside = False
        for number, line in enumerate(page.read_text().splitlines(), start=1):
            if line.startswith("```"):
                inside = line == "```python"
                first = first or (number if inside else 0)
            elif inside:
                blocks.append(line)
        if blocks:
            yield Example(str(page.relative_to(ROOT)), first, "\n".join(blocks))


def _is_command(line: str) -> bool:
    return line.strip().startswith(tuple(f"{program} " for program in _PROGRAMS))
