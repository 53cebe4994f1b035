"""What a query's literal conditions say about partition columns, so that only objects that can match are read.

Only what stands as a conjunct beside the table is used: in WHERE of the same SELECT, or in ON of a join that drops
the table's unmatched rows. Athena pushes conditions down through subqueries as well; here they prune nothing.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, traverse_scope

from sandbox.aws.athena.store import QueryFailedError, Table

_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_ORDERS = {"<": lt, "<=": le, ">": gt, ">=": ge}
_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True)
class Predicate:
    """``column`` compared with literals by ``=``, ``<``, ``<=``, ``>``, ``>=``, ``IN`` or ``BETWEEN``."""

    column: str
    operator: str
    values: tuple[str, ...] | tuple[int, ...]

    @property
    def is_equality(self) -> bool:
        return self.operator in {"=", "IN"}

    def accepts(self, text: str) -> bool:
        """Say whether a partition value can satisfy this predicate."""
        if isinstance(self.values[0], str):
            return self._holds(text)
        return re.fullmatch(r"-?\d+", text) is not None and self._holds(int(text))

    def _holds(self, value: Any) -> bool:
        first, last = self.values[0], self.values[-1]
        if self.is_equality:
            return value in self.values
        if self.operator == "BETWEEN":
            return bool(first <= value <= last)
        return bool(_ORDERS[self.operator](value, first))


@dataclass(frozen=True)
class Scan:
    """One mention of a stored table in a query, and what the query demands of its partition columns there."""

    node: exp.Table
    table: Table
    predicates: tuple[Predicate, ...]


def find_scans(statement: exp.Expr, lookup: Callable[[exp.Table], Table]) -> list[Scan]:
    """List the mentions of stored tables, as against the names of common table expressions.

    ``lookup`` finds the stored table. Raises QueryFailed ``TYPE_MISMATCH`` where a condition compares text with a
    number, which DuckDB would let pass.
    """
    scans = []
    for scope in traverse_scope(statement):
        # A scope sees the tables of the SELECT around it too: those were, or will be, found there.
        mentions = {
            name: source
            for name, source in scope.sources.items()
            if isinstance(source, exp.Table) and source.parent_select is scope.expression
        }
        owners = {name: lookup(node) for name, node in mentions.items()}
        for name, node in mentions.items():
            scans.append(Scan(node, owners[name], tuple(_scope_predicates(scope, name, owners))))
    return scans


def _scope_predicates(scope: Scope, alias: str, owners: dict[str, Table]) -> Iterator[Predicate]:
    for condition in _conjuncts(scope.expression, alias):
        found = _literal_condition(condition)
        if found is None:
            continue
        column, operator, literals = found
        if _owner(column, owners) == alias:
            yield _predicate(owners[alias], column.name.lower(), operator, literals)


def _conjuncts(select: exp.Expr, alias: str) -> Iterator[exp.Expr]:
    where = select.args.get("where")
    if where is not None:
        yield from _split(where.this)
    for join in select.args.get("joins") or []:
        condition = join.args.get("on")
        # A left join keeps the left table's unmatched rows, so its ON can only narrow the table that it joins.
        drops_unmatched = not join.side or (join.side == "LEFT" and join.this.alias_or_name == alias)
        if condition is not None and drops_unmatched:
            yield from _split(condition)


def _split(condition: exp.Expr) -> Iterator[exp.Expr]:
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        yield from _split(condition.left)
        yield from _split(condition.right)
    else:
        yield condition


def _literal_condition(condition: exp.Expr) -> tuple[exp.Column, str, list[exp.Expr]] | None:
    """Take apart a comparison of one column with literals; None for any other condition."""
    operator = _COMPARISONS.get(type(condition))
    subject = condition.this
    literals: list[exp.Expr] = []
    if operator:
        other = condition.args["expression"]
        if isinstance(other, exp.Column):
            subject, other, operator = other, subject, _MIRRORED[operator]
        literals = [other]
    elif isinstance(condition, exp.In) and condition.expressions:
        operator, literals = "IN", condition.expressions
    elif isinstance(condition, exp.Between):
        operator, literals = "BETWEEN", [condition.args["low"], condition.args["high"]]
    if operator and isinstance(subject, exp.Column) and all(_is_plain(item) for item in literals):
        return subject, operator, literals
    return None


def _is_plain(value: exp.Expr) -> bool:
    return isinstance(value, exp.Literal) and (value.is_string or value.name.isdecimal())


def _owner(column: exp.Column, owners: dict[str, Table]) -> str | None:
    """Name the mention that a column belongs to; an unqualified one to the only table that has it."""
    name = column.name.lower()
    having = [alias for alias, table in owners.items() if any(item.name == name for item in table.partitions)]
    if column.table:
        return next((alias for alias in having if alias.lower() == column.table.lower()), None)
    return having[0] if len(having) == 1 else None


def _predicate(table: Table, name: str, operator: str, literals: list[exp.Expr]) -> Predicate:
    column = next(item for item in table.partitions if item.name == name)
    if any(literal.is_string != column.is_text for literal in literals):
        kinds = ("varchar", "integer") if column.is_text else ("integer", "varchar")
        raise QueryFailedError(f"TYPE_MISMATCH: Cannot apply operator: {kinds[0]} {operator} {kinds[1]}")
    texts = [literal.name for literal in literals]
    return Predicate(name, operator, tuple(texts) if column.is_text else tuple(map(int, texts)))
