"""Which rows: expressions of DuckDB over the columns, without any way out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import ConfigError, Interrupted
from etl.export.table import schema, table
from etl.export.wanted import Further
from etl.export.where import Where

PEOPLE: list[dict[str, Any]] = [
    {
        "id": "C1",
        "given_name": "Ada",
        "created_at": "2024-01-02T03:04:05.12Z",
        "birthday": "1815-12-10",
        "address": {"locality": "Paris"},
        "group_ids": ["G1", "G2"],
        "version": 3,
        "preferences": {"email_unsubscribed": True},
    },
    {"id": "C2", "given_name": "O'Brien", "created_at": "2025-06-01T00:00:00Z", "version": 0},
    {"id": "C3", "address": {"locality": "Paris", "country": "FR"}},
]
VALUES = Further(
    (pa.field("custom_attributes.hat.size", pa.int64()), pa.field("Note", pa.string())),
    lambda profiles: [pa.array([9] * len(profiles)), pa.array(["x"] * len(profiles))],
)


def picked(expression: str, *, as_sent: bool = False) -> list[str]:
    """Return the ids of the people an expression is true of."""
    where = Where(expression, schema([VALUES], as_sent=as_sent), time.sleep)
    made = table(PEOPLE, [VALUES], as_sent=as_sent)
    found: list[str] = made.filter(where.rows(made)).column("id").to_pylist()
    where.close()
    return found


@pytest.mark.parametrize("as_sent", [False, True])
@pytest.mark.parametrize(
    ("expression", "ids"),
    [
        ("address.locality = 'Paris'", ["C1", "C3"]),
        ("\"address.locality\" = 'Paris' AND address.country IS NULL", ["C1"]),
        ("given_name ILIKE 'a%' OR Given_Name = 'O''Brien'", ["C1", "C2"]),
        ("created_at >= '2024-01-02T03:04:05.12Z'", ["C1", "C2"]),
        ("created_at > '2024-01-02T03:04:05.12Z'", ["C2"]),
        ("created_at < '2025-01-01'", ["C1"]),
        ("year(created_at) = 2025", ["C2"]),
        ("list_contains(group_ids, 'G2')", ["C1"]),
        ("birthday_month = 12", ["C1"]),
        ("preferences.email_unsubscribed", ["C1"]),
        ("version", ["C1"]),
        ('custom_attributes.hat.size = 9 AND "custom_attributes.hat.size" > 8', ["C1", "C2", "C3"]),
        ("note IS NULL", ["C1", "C2", "C3"]),
        ("true", ["C1", "C2", "C3"]),
        ("NULL", []),
    ],
)
def test_expressions(expression: str, ids: list[str], as_sent: bool) -> None:
    """The same rows are picked whatever the file will hold; unknown is not true."""
    assert picked(expression, as_sent=as_sent) == ids


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("emial_address = 'x'", "no column 'emial_address'; did you mean email_address"),
        ("address.localty = 'x'", "no column 'localty'; did you mean locality"),
        ("adress.locality = 'x'", "no column 'adress'; did you mean address"),
        ("xyzzy = 1", "no column 'xyzzy'; there are id, "),
        ("given_name =", "syntax error"),
        ("", "."),
        ("true) OR (true", "syntax error"),
        ("true; DROP TABLE x", "."),
        ("count(*) > 1", "aggregates"),
        ('"#row" > 1', "no column '#row'"),
        ("created_at > 'yesterday'", "timestamp"),
        ("id IN (SELECT content FROM read_text('/etc/hostname'))", "disabled by configuration"),
    ],
)
def test_wrong_expressions(expression: str, said: str) -> None:
    """What cannot be evaluated is told before anybody is looked at, with the nearest names."""
    with pytest.raises(ConfigError, match=f"^--where: .*{said}"):
        Where(expression, schema(), time.sleep)


def test_no_value_is_shown() -> None:
    """An expression that fails on somebody's value does not show it."""
    with pytest.raises(ConfigError, match="TRY_CAST") as failure:
        picked("CAST(given_name AS INTEGER) > 1")
    assert "Brien" not in str(failure.value)
    assert "Ada" not in str(failure.value)


def test_nothing_is_written(tmp_path: Path) -> None:
    """The database of an expression cannot be used to write."""
    with pytest.raises(ConfigError):
        Where(f"(COPY (SELECT 1) TO '{tmp_path}/x.csv')", schema(), time.sleep)
    assert not list(tmp_path.iterdir())


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["Paris", "Nantes", None]))))
@settings(derandomize=True, deadline=None)
def test_as_python_would(values: list[tuple[int, str | None]]) -> None:
    """The rows are those of which Python says the same, in any batch."""
    people = [
        {"id": f"C{at}", "version": version, "address": {"locality": city}}
        for at, (version, city) in enumerate(values)
    ]
    made = table(people)
    where = Where(
        "version >= 2 AND (address.locality <> 'Paris' OR version = 3)", schema(), time.sleep
    )
    wanted = [v >= 2 and (v == 3 or city not in ("Paris", None)) for v, city in values]

    assert where.rows(made).to_pylist() == wanted
    assert where.rows(made.slice(1)).to_pylist() == wanted[1:]
    where.close()


def test_a_time_that_is_none() -> None:
    """A time Square never sends is unknown, not an error."""
    made = table([{"id": "C1", "created_at": "soon"}], as_sent=True)
    where = Where(
        "created_at > '2000-01-01' OR created_at IS NULL", schema(as_sent=True), time.sleep
    )

    assert where.rows(made).to_pylist() == [True]


FOREVER = "(SELECT count(*) FROM range(100000000000) WHERE range % 7 = 3) > 0"


def test_an_expression_without_end() -> None:
    """Whoever stops an export does not wait for DuckDB."""

    def stop(seconds: float) -> None:
        raise Interrupted("stopped by SIGINT")

    begin = time.monotonic()
    with pytest.raises(Interrupted):
        Where(FOREVER, schema(), stop)
    assert time.monotonic() - begin < 5
