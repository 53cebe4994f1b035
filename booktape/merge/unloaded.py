"""What Athena's UNLOAD wrote: the files that its manifest lists, and what they are called where they are published."""

from collections import Counter
from collections.abc import Iterable

from booktape.storage import open_store


def urls_of(manifest: str) -> list[str]:
    """The URLs in a data manifest, which has one on each line.

    Only the manifest tells which files count: a listing could show what a broken try left. Source: Amazon Athena User
    Guide, "Identify query output files".
    """
    store, _, key = manifest.rpartition("/")
    return open_store(store).read(key).decode().split()


def names_of(urls: Iterable[str]) -> dict[str, str]:
    """The files' URLs by their names: ``symbol=BTC-USDT/0000.parquet``, numbered within each folder.

    Athena names files at random, and does not sort them among each other: ``position`` in them tells the order.
    """
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for url in sorted(urls):
        folder = url.split("/")[-2]
        names[f"{folder}/{counts[folder]:04}.parquet"] = url
        counts[folder] += 1
    return names
