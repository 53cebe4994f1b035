"""``booktape demo``: the main job from end to end, on this machine alone."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from booktape.cli.terminal import out
from booktape.model.errors import BooktapeError


class NoSandboxError(BooktapeError):
    """The sandbox's packages are not installed."""


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
    """Record three simulated exchanges over midnight, break things, publish the day, and judge what was published.

    Redis, AWS and the exchanges run on this machine, on ports of the loopback interface. The exit status is 1 if one
    record is missing, doubled or wrong.
    """
    try:
        from sandbox.demo.play import play
    except ImportError as error:
        raise NoSandboxError(
            f"the demo needs the sandbox ({error}); install it with: pip install 'booktape[sandbox]'"
        ) from None
    play(directory.absolute(), engine, speed=speed, rate=rate, keep=keep, console=out)
