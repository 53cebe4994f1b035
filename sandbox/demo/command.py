"""``booktape demo``: the main job from end to end, on this machine alone."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from booktape.cli.terminal import out
from sandbox.demo.play import play


def demo(
    directory: Annotated[Path, typer.Option(help="Where the demo keeps everything; emptied first.")] = Path(".demo"),
    engine: Annotated[
        Literal["duckdb", "athena"],
        typer.Option(help="duckdb: recordings in a directory. athena: in emulated S3, merged by emulated Athena."),
    ] = "duckdb",
    speed: Annotated[float, typer.Option(help="Market seconds that pass in a real one.", min=1)] = 20.0,
    rate: Annotated[float, typer.Option(help="Events per market and real second.", min=1)] = 20.0,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running at the end, to look around.")] = False,
) -> None:
    """Record three simulated exchanges over midnight, break things, publish the day, and check every record.

    Redis, AWS and the exchanges run on this machine, on ports of the loopback interface. The exit status is 1 if one
    record is missing, doubled or wrong.
    """
    play(directory.absolute(), engine, speed=speed, rate=rate, keep=keep, console=out)
