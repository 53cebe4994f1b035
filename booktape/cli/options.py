"""The arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

# What is read

ExchangeName = Annotated[str, typer.Argument(help="An exchange's id; `booktape exchanges` lists them.")]
ExchangeOption = Annotated[str, typer.Option("--exchange", help="The exchange's id; `booktape exchanges` lists them.")]
MarketName = Annotated[str, typer.Argument(help="A market, as BTC-USDT.")]

_FROM = "The start: 2019-10-25, 2019-10-25T14:30:00.5Z (UTC), or µs since 1970."
_TO = "The end, which is excluded."
From = Annotated[str, typer.Option("--from", help=_FROM)]
To = Annotated[str, typer.Option("--to", help=_TO)]
OptionalFrom = Annotated[str | None, typer.Option("--from", help=_FROM)]
OptionalTo = Annotated[str | None, typer.Option("--to", help=_TO)]

GapsOption = Annotated[
    Literal["raise", "mark"],
    typer.Option("--gaps", help="raise: stop at the first gap. mark: report gaps on standard error, and go on."),
]

# Storage

Storage = Annotated[
    str | None,
    typer.Option("--storage", help="The recordings: a directory or s3://bucket/prefix. Default: BOOKTAPE_STORAGE."),
]
Replica = Annotated[
    str | None, typer.Option("--replica", help="The second system's recordings. Default: BOOKTAPE_REPLICA.")
]
PublishedStorage = Annotated[
    str | None,
    typer.Option("--storage", help="Recordings and published files. Default: BOOKTAPE_STORAGE and BOOKTAPE_PUBLISH."),
]

# Runs of a data source

SourceName = Annotated[str, typer.Argument(help="A data source, as binance-trades.")]
DayText = Annotated[str, typer.Argument(help="A UTC day that is over, as 2019-10-25.")]
Now = Annotated[bool, typer.Option("--now", help="Run it in this process instead of enqueueing it.")]

# Output

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, for programs.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="CSV with a header.")]
AsJsonLines = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
AsParquet = Annotated[bool, typer.Option("--parquet", help="Parquet; needs --output.")]
OutputFile = Annotated[
    Path | None,
    typer.Option("--output", help="Write to this file. Its suffix gives the format unless an option does."),
]
