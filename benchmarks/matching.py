"""How long does matching millions of rows with millions of profiles take, and in how much memory?

    python benchmarks/matching.py --rows 500000 5000000

Makes as many rows as profiles from a seed, lays them down where an import finds them (a kept copy
of the directory, rows with their keys, what was last written to each profile) and matches them on
three keys in a process of its own, as an import does: take the profiles that share a key, label
who has to do with whom, decide, and hand the verdicts over in row order. Half of the rows belong to
clusters of the file, some of them chains of twenty rows. Hints at who is nearly there are left out.

Prints rows per second, the seconds of each step, and the most memory that the process held; with
several sizes what each further row added. The verdicts are counted: wrong ones stop the benchmark.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from measure import run

from etl.config import Dedupe
from etl.directory import profiles
from etl.directory.index import ROWS, WRITTEN, Index
from etl.directory.lookup import KEY_COLUMNS
from etl.stages.dedupe import decide

_KEYS = tuple(KEY_COLUMNS.values())
_STEPS = ("rows", "take", "written", "decide", "verdicts")

# Ten rows at a time: four who share all keys or one with a profile; three who hang together and
# with a profile by one of them; two who are one new person; one who is new, in every hundred
# of these twenty that hang together in a chain.
_PEOPLE = """
    SELECT i, i % 10 AS kind, i // 10 AS ten, hash(i, {seed}) AS draw FROM range({rows}) AS t(i)
"""
_ROWS = """
    SELECT i AS row, '|k|' || i AS source_key, NULL::VARCHAR AS customer_id, '' AS known_by,
        '' AS decision, false AS held,
        CASE WHEN kind IN (0, 3, 6) THEN 'R' || i END AS reference_id,
        CASE WHEN kind IN (0, 1) THEN 'p' || i || '@example.com'
            WHEN kind IN (4, 5) THEN 'chain' || ten || '@example.com'
            WHEN kind IN (7, 8) THEN 'new' || ten || '@example.com'
            WHEN kind = 9 AND ten % 100 < 20 THEN 'link' || (ten // 2) || '@example.com'
            WHEN kind = 9 THEN 'only' || ten || '@example.com' END AS email,
        CASE WHEN kind IN (0, 2) THEN '+999' || lpad(i::VARCHAR, 9, '0')
            WHEN kind IN (5, 6) THEN '+998' || lpad(ten::VARCHAR, 9, '0')
            WHEN kind = 9 AND ten % 100 BETWEEN 1 AND 18
            THEN '+997' || lpad(((ten + 1) // 2)::VARCHAR, 9, '0') END AS phone,
        CASE WHEN kind < 4 THEN 'Given' || (i % 1000) END AS given_name,
        CASE WHEN kind < 4 THEN 'Family' || (draw % 5000) END AS family_name,
        NULL::VARCHAR AS company_name, (draw % 9999) || ' market street|94103' AS address
    FROM ({people})
"""
_PROFILES = """
    SELECT *, '{{"id":"' || id || '","created_at":"2025-09-01T08:15:30Z","updated_at":'
        || '"2025-09-01T08:15:30Z","given_name":"' || given_name || '","family_name":"'
        || family_name || '","email_address":"' || email || '","phone_number":"' || phone
        || '","address":{{"address_line_1":"' || address || '","locality":"San Francisco",'
        || '"postal_code":"94103","country":"US"}},"reference_id":"' || reference_id
        || '","preferences":{{"email_unsubscribed":false}},"creation_source":"THIRD_PARTY",'
        || '"version":1}}' AS profile
    FROM (
        SELECT 'C' || lpad(i::VARCHAR, 25, '0') AS id, 'R' || i AS reference_id,
            'p' || i || '@example.com' AS email, '+999' || lpad(i::VARCHAR, 9, '0') AS phone,
            'Given' || (i % 1000) AS given_name, 'Family' || (draw % 5000) AS family_name,
            NULL::VARCHAR AS company_name, (draw % 9999) || ' market street' AS address,
            1::BIGINT AS version
        FROM ({people}) ORDER BY draw)
"""
_WRITTEN = """
    SELECT 'C' || lpad(i::VARCHAR, 25, '0') AS customer_id, 1::BIGINT AS version,
        'R' || i AS reference_id, 'p' || i || '@example.com' AS email,
        '+999' || lpad(i::VARCHAR, 9, '0') AS phone,
        '{{"given_name":"' || draw || '","family_name":"' || draw || '","email_address":"' || draw
        || '","phone_number":"' || draw || '","reference_id":"' || draw || '"}}' AS digests
    FROM ({people})
"""


def make(folder: Path, rows: int, seed: int) -> None:
    """Write both sides of one size."""
    people = _PEOPLE.format(rows=rows, seed=seed)
    db = profiles.connect(folder / "kept.duckdb")
    db.execute("SET memory_limit = '2GB'")
    db.execute(f"INSERT INTO profiles SELECT * FROM ({_PROFILES.format(people=people)})")
    for name, sql in (("rows", _ROWS), ("written", _WRITTEN)):
        path = str(folder / f"{name}.parquet")
        db.execute(f"COPY ({sql.format(people=people)}) TO '{path}' (ROW_GROUP_SIZE 20480)")
    db.close()


def expected(rows: int) -> dict[str, int]:
    """Return how many rows there are of each verdict, for a multiple of a thousand rows."""
    tens = rows // 10
    chained = tens // 100 * 20
    duplicates = tens * 3 + chained - chained // 20
    creates = tens * 2 - chained + chained // 20
    return {"match": tens * 5, "duplicate": duplicates, "create": creates}


def match(folder: Path) -> dict[str, float]:
    """Match both sides as an import does; return the seconds of each step."""
    seconds: dict[str, float] = {}

    @contextmanager
    def timed(step: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        seconds[step] = time.perf_counter() - begin

    index = Index(folder / "directory.duckdb", "US")
    with timed("rows"):
        for batch in _tables(folder / "rows.parquet", ROWS):
            index.add_rows(batch)
    with timed("take"):
        index.take_profiles(folder / "kept.duckdb", _KEYS)
    with timed("written"):
        for batch in _tables(folder / "written.parquet", WRITTEN):
            index.add_written(batch)
        stale = sum(map(len, index.stale(_KEYS)))
    with timed("decide"):
        decide(index, _KEYS, Dedupe())
    with timed("verdicts"):
        counts = Counter(verdict["action"] for verdict in index.decided())
    index.close()
    if stale or counts != expected(sum(counts.values())):
        raise SystemExit(f"wrong verdicts: {dict(counts)}, {stale} to be read again")
    return seconds


def _tables(path: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):  # iter_batches reads far ahead
            yield file.read_row_group(group).cast(schema)


def measured(rows: int, seed: int, place: str | None) -> dict[str, Any]:
    """Make one size and match it, each in a process of its own."""
    with tempfile.TemporaryDirectory(dir=place) as folder:
        script = [sys.executable, __file__]
        run([*script, "--make", folder, "--rows", str(rows), "--seed", str(seed)])
        taken = run([*script, "--match", folder])
        seconds = json.loads(taken.told)
        return {
            "rows": rows,
            "seconds": seconds,
            "cpu_seconds": taken.cpu,
            "rows_per_second": rows / sum(seconds.values()),
            "peak_mib": taken.peak,
            "bytes_per_profile_kept": (Path(folder) / "kept.duckdb").stat().st_size / rows,
            "bytes_per_row_at_work": (Path(folder) / "directory.duckdb").stat().st_size / rows,
        }


def main() -> None:
    """Measure every size asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[500_000, 5_000_000])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", help="where both sides may lie: about 1 KiB for each row")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--match", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        make(arguments.make, *arguments.rows, arguments.seed)
        return
    if arguments.match:
        print(json.dumps(match(arguments.match)))
        return
    if any(rows % 1000 for rows in arguments.rows):
        parser.error("--rows takes multiples of 1,000")
    heads = "".join(f"{step + ' s':>12}" for step in _STEPS)
    if not arguments.json:
        print(f"{'rows = profiles':>16}{heads}{'rows/s':>10}{'peak MiB':>10}")
    runs = []
    for rows in arguments.rows:
        run = measured(rows, arguments.seed, arguments.folder)
        runs.append(run)
        if not arguments.json:
            steps = "".join(f"{run['seconds'][step]:>12.1f}" for step in _STEPS)
            rate, peak = run["rows_per_second"], run["peak_mib"]
            print(f"{rows:>16,}{steps}{rate:>10,.0f}{peak:>10,.0f}", flush=True)
    growth = [
        (large["peak_mib"] - small["peak_mib"]) * 2**20 / (large["rows"] - small["rows"])
        for small, large in pairwise(runs)
    ]
    if arguments.json:
        told = {"duckdb": duckdb.__version__, "runs": runs, "bytes_per_further_row": growth}
        print(json.dumps(told, indent=2))
        return
    for (small, large), more in zip(pairwise(runs), growth, strict=True):
        print(f"from {small['rows']:,} to {large['rows']:,}: {more:.0f} bytes for each further row")


if __name__ == "__main__":
    main()
