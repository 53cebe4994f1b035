"""Fragments of SQL: texts and paths that hold quotes or patterns arrive as they are."""

import gzip
from pathlib import Path

import duckdb
import pytest

from booktape.merge import sql_fragments as sql

STRANGE = "it's *[A]"


@pytest.mark.parametrize(("text", "quoted"), [("BTC-USDT", "'BTC-USDT'"), ("' OR ''='", "''' OR ''''='''")])
def test_texts_are_quoted(text: str, quoted: str) -> None:
    assert sql.literal(text) == quoted


def test_lists_and_structs_are_quoted() -> None:
    assert sql.literals(["a", "it's"]) == "'a', 'it''s'"
    assert sql.struct({"it's": "VARCHAR"}) == "{'it''s': 'VARCHAR'}"


def test_a_parquet_file_is_written_and_read_at_a_path_that_looks_like_a_pattern(tmp_path: Path) -> None:
    path = tmp_path / STRANGE / "day.parquet"
    path.parent.mkdir()
    duckdb.execute(sql.copy_to("SELECT 1 AS position, 'A' AS symbol", path, sql.PUBLISHED_PARQUET_FORMAT))
    (tmp_path / "other *[A]").mkdir()
    assert duckdb.execute(f"SELECT * FROM {sql.read_parquet([path])}").fetchall() == [(1, "A")]


def test_the_market_in_a_folders_name_stays_text(tmp_path: Path) -> None:
    path = tmp_path / "symbol=007" / "0000.parquet"
    path.parent.mkdir()
    duckdb.execute(sql.copy_to("SELECT 1 AS position", path, sql.PARQUET_FORMAT))
    rows = duckdb.execute(f"SELECT symbol FROM {sql.read_parquet([path], market_in_path=True)}").fetchall()
    assert rows == [("007",)]


def test_files_with_other_columns_are_united_by_name(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("old.parquet", "new.parquet")]
    duckdb.execute(sql.copy_to("SELECT 1 AS position", paths[0], sql.PARQUET_FORMAT))
    duckdb.execute(sql.copy_to("SELECT 2 AS position, 'x' AS extra", paths[1], sql.PARQUET_FORMAT))
    source = sql.read_parquet(paths, union_by_name=True)
    assert duckdb.execute(f"SELECT position, extra FROM {source} ORDER BY 1").fetchall() == [(1, None), (2, "x")]


def test_stored_objects_are_read_with_their_partition_and_path(tmp_path: Path) -> None:
    path = tmp_path / f"exchange=binance/pair={STRANGE}/year=2024/month=08/day=09/batch.json.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(b'{"id":7,"price":"1.10"}\n'))
    query = f'SELECT id, price, pair, month, "$path" FROM {sql.read_stored("trades", [path])}'
    assert duckdb.execute(query).fetchall() == [("7", "1.10", STRANGE, "08", str(path))]


def test_json_lines_are_read_with_the_types_given(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"price":"1.10"}\n')
    assert duckdb.execute(f"FROM {sql.read_json_lines([path], {'price': 'VARCHAR'})}").fetchall() == [("1.10",)]
