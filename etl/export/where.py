"""Which rows does an expression pick?

``--where`` is an expression of DuckDB over the columns of the table, wanted or not. A name with a
dot may be written as it stands (``address.locality = 'Paris'``) or in double quotes. Times are
timestamps and compare in UTC, whatever the file will hold. The database that evaluates it is empty,
sees no file and loads nothing.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.customers.fields import BY_NAME
from etl.errors import ConfigError

if TYPE_CHECKING:
    import duckdb

_CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "memory_limit": "256MB",
    "threads": 1,
}
# Seconds that DuckDB is waited for at a time.
_PATIENCE = 0.1
# How DuckDB says that it does not know a name.
_UNKNOWN = re.compile(
    r'(?:Referenced (?:column|table) "(?P<name>[^"]*)" not found|'
    r'Could not find key "(?P<member>[^"]*)" in struct)'
)


class Where:
    """An expression, bound to the columns of a table, of which ``id`` tells its rows apart.

    ``sleep`` is called while DuckDB works, and may raise Interrupted to stop it. Raises ConfigError
    for an expression that cannot be evaluated; ``rows`` for one that cannot be evaluated for the
    values at hand.
    """

    def __init__(self, expression: str, schema: pa.Schema, sleep: Callable[[float], None]) -> None:
        import duckdb  # heavy: loaded by those who ask for it

        self._expression = expression
        self._sleep = sleep
        self._database = duckdb.connect(":memory:", config=_CLOSED)
        self._database.execute("SET TimeZone = 'UTC'; SET lock_configuration = true")
        self._columns = ", ".join(_columns(schema))
        try:
            # A row of nobody: what is wrong for nobody in particular shows on it.
            nobody = [pa.nulls(1, column.type) for column in schema]
            self._fitting(pa.Table.from_arrays(nobody, schema=schema))
        except duckdb.Error as error:
            raise ConfigError(f"--where: {_explained(str(error), schema)}") from error

    def rows(self, table: pa.Table) -> pa.BooleanArray:
        """Return which rows of a table the expression is true of."""
        import duckdb

        try:
            return pc.is_in(table.column("id"), value_set=self._fitting(table))
        except duckdb.Error as error:
            # Its message quotes the value, which is somebody's.
            raise ConfigError(
                f"--where cannot be evaluated for every customer ({type(error).__name__}): where a "
                "value may not fit, use TRY_CAST instead of CAST"
            ) from error

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def _fitting(self, table: pa.Table) -> pa.Array:
        """Return the ids of the rows, evaluated aside: DuckDB does not hear signals in time."""
        with ThreadPoolExecutor(1) as aside:
            coming = aside.submit(self._ids, table)
            try:
                while not wait([coming], _PATIENCE).done:
                    self._sleep(_PATIENCE)
            finally:
                while not wait([coming], _PATIENCE).done:
                    self._database.interrupt()
            return coming.result()

    def _ids(self, table: pa.Table) -> pa.Array:
        offered: duckdb.DuckDBPyRelation = self._database.from_arrow(table).project(self._columns)
        # Parsed on its own first: an expression cannot end early and go on as another statement.
        fitting = offered.filter(self._expression).project("id").to_arrow_table()
        return fitting.column("id").combine_chunks()


def nearest(name: str, schema: pa.Schema, further: Iterable[str]) -> str:
    """Return which column, or which of the further names, may be meant."""
    known = list(dict.fromkeys([*schema.names, *further]))
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.4)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    return f"; there are {', '.join(schema.names)}"


def _explained(message: str, schema: pa.Schema) -> str:
    """Return what is wrong with an expression; no customer has been looked at so far."""
    if found := _UNKNOWN.search(message):
        name = found["name"] or found["member"]
        steps = (step for column in schema.names for step in column.split("."))
        return f"there is no column {name!r}{nearest(name, schema, steps)}"
    return message.strip().splitlines()[0]


def _columns(schema: pa.Schema) -> Iterator[str]:
    """Yield what can be named: the columns, and those with dots as members of structs too."""
    # DuckDB does not tell names apart by case.
    plain: dict[str, str] = {}
    for column in schema:
        if column.name.lower() in plain:
            continue
        quoted = _quoted(column.name)
        plain[column.name.lower()] = quoted
        is_time = column.name in BY_NAME and BY_NAME[column.name].kind == "time"
        if is_time and pa.types.is_string(column.type):
            yield f"TRY_CAST({quoted} AS TIMESTAMPTZ) AS {quoted}"
        else:
            yield quoted
    for name, members in _nested(plain).items():
        if name not in plain:
            yield f"{_struct(members)} AS {_quoted(name)}"


def _nested(plain: Mapping[str, str]) -> dict[str, Any]:
    """Return the columns by the steps of their names; a column is never hidden by a struct."""
    tree: dict[str, Any] = {}
    for name, quoted in plain.items():
        *above, leaf = name.split(".")
        if not above:
            continue
        place: Any = tree
        for step in above:
            place = place.setdefault(step, {}) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place.setdefault(leaf, quoted)
    return tree


def _struct(members: Mapping[str, Any]) -> str:
    listed = (
        f"{_quoted(name)} := {one if isinstance(one, str) else _struct(one)}"
        for name, one in members.items()
    )
    return f"struct_pack({', '.join(listed)})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
