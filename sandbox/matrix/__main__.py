"""``python -m sandbox.matrix``: run rows in parallel and print the table. ``make matrix`` calls it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Annotated

import typer

from booktape.cli import console as command
from booktape.model.errors import BooktapeError
from sandbox.matrix import report
from sandbox.matrix.night import DATA_TYPES
from sandbox.matrix.rows import ROWS, Row, rows
from sandbox.matrix.run import LEAD, Outcome, run

app = typer.Typer(pretty_exceptions_enable=False)


class NoSuchRowError(BooktapeError):
    """A row or venue that the matrix does not have."""


@app.command()
def main(
    row: Annotated[list[str] | None, typer.Option(help="A row; repeat the option for more. Default: all.")] = None,
    venue: Annotated[list[str] | None, typer.Option(help="binance, coinbase or kraken. Default: all.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="How many rows run in parallel.")] = 4,
    lead: Annotated[float, typer.Option(help="Seconds in which a row's processes are up.")] = LEAD,
    directory: Annotated[Path | None, typer.Option(help="Where to write all files, and keep them.")] = None,
) -> None:
    """Inject faults, and compare what is missing with what the certificate reports as missing.

    Ends with status 1 if a loss is not reported, or something is reported that is not lost.
    """
    chosen = [(one, name) for one in _rows(row) for name in _venues(venue)]
    place = directory or Path(mkdtemp(prefix="booktape-matrix-"))
    with ThreadPoolExecutor(jobs) as pool:
        playing = [pool.submit(_play, one, name, place / f"{one.name}-{name}", lead) for one, name in chosen]
        outcomes = [played.result() for played in playing]
    print(f"{report.caption()}:\n")
    print("\n".join(report.table(outcomes)))
    print("\n".join(["", *report.faults(outcomes)]))
    good = all(outcome.good for outcome in outcomes)
    if directory is None and good:
        rmtree(place)
    else:
        print(f"all files are in {place}")
    raise typer.Exit(0 if good else 1)


def _play(row: Row, venue: str, directory: Path, lead: float) -> Outcome:
    outcome = run(row, venue, directory, lead)
    typer.echo(f"{row.name}, {venue}: {'as certified' if outcome.good else 'NOT as certified'}", err=True)
    return outcome


def _rows(names: list[str] | None) -> list[Row]:
    try:
        return rows(names or [])
    except KeyError as error:
        raise NoSuchRowError(f"there is no row {error}; there are {', '.join(one.name for one in ROWS)}") from None


def _venues(names: list[str] | None) -> list[str]:
    for name in names or []:
        if name not in DATA_TYPES:
            raise NoSuchRowError(f"there is no venue {name!r}; there are {', '.join(DATA_TYPES)}")
    return names or list(DATA_TYPES)


command.run(app)
