"""Certificates of all formats are read from stored bytes; those of format 1 are converted."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec import json

from booktape.integrity.certificate import FORMAT, InvalidCertificateError
from booktape.integrity.certificate_reader import parse_certificate
from booktape.integrity.certificate_rules import contradictions

ALL_STORED = Path(__file__).parents[1] / "golden/stored"
STORED = ALL_STORED / "1/primary/certificates"
PATHS = sorted(STORED.rglob("*.json"))
FORMAT_2 = sorted((ALL_STORED / "2/certificates").glob("*.json"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.parts[-3])
def test_stored_bytes_are_read_and_are_consistent(path: Path) -> None:
    certificate = parse_certificate(path.read_bytes())
    assert (certificate.format, certificate.source, certificate.day) == (FORMAT, path.parts[-3], date(2024, 8, 9))
    assert list(contradictions(certificate)) == []
    assert parse_certificate(certificate.encode()) == certificate


@pytest.mark.parametrize("path", FORMAT_2, ids=lambda path: path.stem)
def test_stored_bytes_of_format_2_are_read_and_written_alike(path: Path) -> None:
    certificate = parse_certificate(path.read_bytes())
    assert certificate.encode() == path.read_bytes()
    assert list(contradictions(certificate)) == []
    assert parse_certificate((STORED / path.stem / "2024-08-09/0001.json").read_bytes()) == certificate


def test_nothing_of_it_is_lost() -> None:
    plain: dict[str, Any] = json.decode((STORED / "binance-trades/2024-08-09/0001.json").read_bytes())
    certificate = parse_certificate(json.encode(plain))
    old, new = plain["markets"]["ETH-USDT"], certificate.markets["ETH-USDT"]
    assert new.sequence is not None
    assert [[epoch.starts_at, epoch.first, epoch.last] for epoch in new.sequence.epochs] == [
        [era["from"], era["first"], era["last"]] for era in old["numbers"]["eras"]
    ]
    assert [[list(ids) for ids in epoch.missing_ids] for epoch in new.sequence.epochs] == [
        era["ranges"] for era in old["numbers"]["eras"]
    ]
    assert certificate.totals.present == plain["totals"]["seen"]
    assert certificate.totals.recovered_from_replica == plain["totals"]["healed_by_replica"]
    assert new.agreement is not None
    assert new.agreement.incomparable == old["agreement"]["untold"]
    clocks = {name: market["downtime"]["clock"] for name, market in plain["markets"].items()}
    assert set(clocks.values()) == {"exchange", "collectors"}
    assert {name: market.downtime.clock for name, market in certificate.markets.items()} == {
        name: "collector" if clock == "collectors" else clock for name, clock in clocks.items()
    }
    assert new.downtime.interruptions == old["downtime"]["breaks"]
    unknown = [market for market in plain["markets"].values() if market["edges"]["start"] == "unknown"]
    assert len(unknown) == sum(market.edges.start is None for market in certificate.markets.values())


def test_what_is_unverifiable_without_a_rule_is_called_so() -> None:
    stored = parse_certificate((STORED / "futures-tickers/2024-08-09/0001.json").read_bytes())
    assert stored.unverifiable == "no sequence rule"
    assert {market.unverifiable for market in stored.markets.values()} == {"no sequence rule"}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"{", "the certificate is not JSON"),
        (b"[]", "the certificate is not valid: Expected `object`, got `array`"),
        (b"{}", "not a certificate of a format up to 2: is this the right file, and the right version of Booktape?"),
        (b'{"format": 3}', "not a certificate of a format up to 2"),
        (b'{"format": 1}', "the certificate is not valid: Object missing required field `source`"),
        (b'{"format": 2}', "the certificate is not valid: Object missing required field `source`"),
    ],
)
def test_anything_else_is_refused(content: bytes, fault: str) -> None:
    with pytest.raises(InvalidCertificateError, match=fault.replace("?", r"\?")):
        parse_certificate(content)


def test_a_field_that_format_1_does_not_have_is_refused() -> None:
    plain: dict[str, Any] = json.decode(PATHS[0].read_bytes())
    for market in plain["markets"].values():
        market["downtime"]["more"] = 1
    with pytest.raises(InvalidCertificateError, match="Object contains unknown field `more`"):
        parse_certificate(json.encode(plain))
