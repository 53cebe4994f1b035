"""``python -m sandbox.soak``: run a soak and print its outcome. ``make soak`` calls it."""

from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Annotated

import typer
from rich.console import Console

from booktape.cli import console as command
from sandbox.soak.plan import Plan
from sandbox.soak.report import show
from sandbox.soak.run import soak

_DEFAULT = Plan()
app = typer.Typer(pretty_exceptions_enable=False)


@app.command()
def main(
    streams: Annotated[int, typer.Option(min=3, help="Streams of each instance, three per market.")] = _DEFAULT.streams,
    minutes: Annotated[float, typer.Option(help="Market time once all connections are up.")] = _DEFAULT.minutes,
    speed: Annotated[float, typer.Option(help="Market seconds per real second.")] = _DEFAULT.speed,
    rate: Annotated[float, typer.Option(help="Market events per market and real second.")] = _DEFAULT.rate,
    seed: Annotated[int, typer.Option(help="The same seed gives the same markets and cuts.")] = _DEFAULT.seed,
    cuts: Annotated[float, typer.Option(help="Mean seconds between two disconnects; 0: none.")] = _DEFAULT.cuts,
    lifetime: Annotated[float, typer.Option(min=1, help="Seconds until a handover.")] = _DEFAULT.lifetime,
    levels: Annotated[int, typer.Option(help="Price levels of each side of a book.")] = _DEFAULT.levels,
    directory: Annotated[Path | None, typer.Option(help="Where to write all files, and keep them.")] = None,
) -> None:
    """Two shards of two instances record one simulated exchange; the archive must be what the exchange sent.

    Ends with status 1 if a record is missing, duplicated or wrong, a gap was not reported, or memory has grown.
    """
    console = Console(width=140)
    plan = Plan(streams, minutes, speed, rate, seed, cuts, lifetime, levels)
    place = directory or Path(mkdtemp(prefix="booktape-soak-"))
    place.mkdir(parents=True, exist_ok=True)
    outcome = soak(plan, place, lambda text: console.print(text, highlight=False))
    show(outcome, console)
    if directory is None and outcome.good:
        rmtree(place)
    else:
        console.print(f"all files are in {place}", highlight=False)
    raise typer.Exit(0 if outcome.good else 1)


command.run(app)
