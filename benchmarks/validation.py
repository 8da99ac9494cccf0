"""How fast is a file validated, compared with merely copying it and with a row loop?

    python benchmarks/validation.py --rows 1000000
    python benchmarks/validation.py --rows 1000000 5000000 --format csv parquet --json

For each size, in processes of their own and in turn: pyarrow reads the file and writes it again
(the floor), ``square-etl validate`` reads, cleans, validates and writes ledger and rejects, and, on
a sample, a loop over dict records asks phonenumbers and email-validator row by row. Medians of
several turns, as ratios: times alone are of this machine and this moment. Modules are compiled
before they are timed, or in the first turn, as those of an installed package are.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import people

# The row loop takes a minute for a million rows; its cost per row does not depend on their number.
_LOOPED = 50_000


class Taken(NamedTuple):
    """What one command took: seconds of the clock, and of the processors with its workers'."""

    wall: float
    cpu: float


def timed(command: Sequence[str], *accepted: int) -> Taken:
    """Run a command to its end; any other exit status than 0 or those accepted is an error."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, *accepted):
        raise SystemExit(f"{' '.join(command)} ended with {code}")
    return Taken(wall, usage.ru_utime + usage.ru_stime)


def peak(command: Sequence[str]) -> float:
    """Run a command and return the most memory, in MiB, that it and its workers had together.

    Looked at now and then, in a turn of its own; memory that processes share is counted once.
    """
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    most = 0.0
    while process.poll() is None:
        most = max(most, sum(map(_memory, _family(process.pid))))
        time.sleep(0.1)
    return most


def _family(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from _family(int(child))


def _memory(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def copy(source: Path, copied: Path) -> None:
    """Read a file with pyarrow, every column as text, and write it again."""
    import pyarrow as pa
    import pyarrow.csv as arrow_csv
    import pyarrow.parquet as pq

    if source.suffix == ".parquet":
        file = pq.ParquetFile(source)
        with pq.ParquetWriter(copied, file.schema_arrow) as writer:
            for batch in file.iter_batches():
                writer.write_batch(batch)
        return
    text = {header: pa.string() for header, _ in people.COLUMNS}
    reader = arrow_csv.open_csv(
        source,
        arrow_csv.ReadOptions(block_size=1 << 20),
        arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip"),
        arrow_csv.ConvertOptions(column_types=text, strings_can_be_null=False),
    )
    with arrow_csv.CSVWriter(copied, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def loop(source: Path, rejects: Path) -> None:
    """Validate phones and emails as people usually write it, and write the rows that fail."""
    import email_validator
    import phonenumbers

    with source.open(encoding="utf-8", newline="") as file, rejects.open("w", newline="") as out:
        rows = csv.DictReader(file)
        writer = csv.DictWriter(out, rows.fieldnames or (), extrasaction="ignore")
        for row in rows:
            fine = True
            try:
                number = phonenumbers.parse(row["Phone"] or "", "US")
                row["Phone"] = phonenumbers.format_number(number, 0)
                fine = phonenumbers.is_valid_number(number)
            except phonenumbers.NumberParseException:
                fine = not row["Phone"]
            try:
                if row["Email"]:
                    email_validator.validate_email(row["Email"], check_deliverability=False)
            except email_validator.EmailNotValidError:
                fine = False
            if not fine:
                writer.writerow(row)


def measured(rows: int, kind: str, folder: Path, turns: int, seed: int) -> dict[str, Any]:
    """Return the figures of one size and format."""
    source = folder / f"people.{kind}"
    write = people.write_csv if kind == "csv" else people.write_parquet
    dirt = people.DIRT if kind == "csv" else people.without(*people.RAGGED)
    write(itertools.islice(people.stream(seed, dirt=dirt), rows), source)
    state = folder / "state"
    validate = [sys.executable, "-m", "etl", "validate", str(source), "--state-dir", str(state)]
    floor, ours = [], []
    for _ in range(turns):
        floor.append(timed([sys.executable, __file__, "--copy", str(source)]))
        ours.append(timed([*validate, "--quiet", "--output", "json"], 3))
    figures = {
        "rows": rows,
        "format": kind,
        "MiB": source.stat().st_size / 2**20,
        "rows_per_second": rows / statistics.median(taken.wall for taken in ours),
        "wall_to_floor": statistics.median(
            own.wall / copied.wall for own, copied in zip(ours, floor, strict=True)
        ),
        "cpu_per_row_us": statistics.median(taken.cpu for taken in ours) / rows * 1e6,
        "peak_MiB": peak([*validate, "--quiet", "--output", "json"]),
    }
    if kind == "csv":
        sample = folder / "sample.csv"
        looped = min(rows, _LOOPED)
        write(itertools.islice(people.stream(seed, dirt=dirt), looped), sample)
        slow = timed([sys.executable, __file__, "--loop", str(sample)])
        per_row = statistics.median(taken.wall for taken in ours) / rows
        figures["times_the_row_loop"] = slow.wall / looped / per_row
    return figures


def main() -> None:
    """Measure every size and format asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--format", choices=("csv", "parquet"), nargs="+", default=["csv"])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--copy", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--loop", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.copy:
        return copy(given.copy, given.copy.with_stem("copied"))
    if given.loop:
        return loop(given.loop, given.loop.with_stem("rejected"))
    # Else every turn would compile anew what an installation compiles once.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    found = []
    for kind, rows in itertools.product(given.format, given.rows):
        with tempfile.TemporaryDirectory() as folder:
            found.append(measured(rows, kind, Path(folder), given.turns, given.seed))
    if given.json:
        print(json.dumps(found, indent=2))
        return None
    print(f"{'rows':>10} {'format':<8}{'MiB':>7}{'rows/s':>10}{'× floor':>9}{'× loop':>8}", end="")
    print(f"{'CPU µs/row':>12}{'peak MiB':>10}")
    for line in found:
        print(
            f"{line['rows']:>10,} {line['format']:<8}{line['MiB']:>7.0f}"
            f"{line['rows_per_second']:>10,.0f}{line['wall_to_floor']:>9.2f}"
            f"{line.get('times_the_row_loop', float('nan')):>8.1f}"
            f"{line['cpu_per_row_us']:>12.2f}{line['peak_MiB']:>10,.0f}"
        )
    return None


if __name__ == "__main__":
    main()
