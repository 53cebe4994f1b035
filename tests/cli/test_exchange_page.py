"""The page about the exchanges is what they declare."""

from pathlib import Path

from booktape.cli.exchange_page import page
from booktape.exchanges import exchanges


def test_the_page_in_the_docs_is_the_one_that_the_declarations_make() -> None:
    made = page([venue for _, venue in sorted(exchanges().items())])
    written = Path(__file__).parents[2] / "docs" / "exchanges.md"
    assert written.read_text() == made, "run: booktape exchanges --markdown > docs/exchanges.md"


def test_what_cannot_be_verified_does_not_look_as_if_it_could() -> None:
    lines = page([exchanges()["binance"]]).splitlines()
    assert "| [binance](#binance) | **contiguous** | **ranged** | REST | monotonic |  |  |" in lines
    assert "| quotes | `bookTicker` | monotonic |" in lines
