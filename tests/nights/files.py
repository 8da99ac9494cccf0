"""Files: as they should be, dirty, cut short, unreadable."""

from __future__ import annotations

import gzip
import json
from functools import partial
from pathlib import Path

from tests.nights.crm import HEADERS, Night
from tests.nights.job import NIGHTLY, TAGGED, Events, Job
from tests.worlds import as_csv, folder_of, run_import

event = Events()

_STOPPING = {**NIGHTLY, "anomaly": {"action": "stop"}}


@event("nothing special")
def _plain(job: Job) -> None:
    job.finish(job.crm.file())


@event("the same file again")
def _again(job: Job) -> None:
    file = job.crm.file()
    job.finish(file)
    log = len(job.world.sandbox.log())
    report = job.load(file, job.code_of(job.model.take_in(file.rows)))
    assert not report["rows"]["created"] + report["rows"]["updated"], f"{job}: {report['rows']}"
    assert len(job.world.sandbox.log()) == log, f"{job}: the same file was written again"


@event("groups and attributes")
def _tagged(job: Job) -> None:
    job.finish(job.crm.tagged(), TAGGED)
    job.check_drinks()


@event("dirty rows, mended in the morning")
def _dirty(job: Job) -> None:
    file = job.crm.file()
    job.crm.soil(file, 3, job.untouchable())
    report = job.finish(file)

    def amend() -> None:
        rows = [row for row in file.rows if row["reference_id"] in file.dirt]
        ends = job.model.take_in(rows)
        path = job.rejects(report, file)
        run = report["run_id"]
        job.compare(ends, job.give(0, lambda: run_import(job.world, path, NIGHTLY, amends=run)))
        told = json.loads((folder_of(job.world, report) / "report.json").read_bytes())
        assert not told["rows"]["rejected"], f"{job}: {told['rows']}"

    job.in_the_morning.append(amend)


@event("half of the file is rejects: a brake")
def _half_rejected(job: Job) -> None:
    file = job.crm.file()
    soiled = Night(file.rows)
    job.crm.soil(soiled, len(file.rows) // 2)
    braked = job.refused(6, lambda: job.import_(soiled))
    job.purge(braked["run_id"], unfinished=True)
    job.finish(file)


@event("most of the file is missing: stopped")
def _short_stop(job: Job) -> None:
    file = job.crm.file()
    short = Night(file.rows[: len(file.rows) // 3])
    braked = job.refused(6, lambda: job.import_(short, _STOPPING))
    assert braked["unusual"], f"{job}: nothing is said to be unusual"
    job.purge(braked["run_id"], unfinished=True)
    job.finish(file)


@event("most of the file is missing: it was meant")
def _short_meant(job: Job) -> None:
    file = job.crm.file()
    short = Night(file.rows[: len(file.rows) // 3])
    braked = job.refused(6, lambda: job.import_(short, _STOPPING))
    report = job.finish(short)
    assert report["run_id"] == braked["run_id"], f"{job}: begun anew"


@event("most of the file is missing: a warning")
def _short_warn(job: Job) -> None:
    file = job.crm.file()
    report = job.finish(Night(file.rows[: len(file.rows) // 3]))
    assert [one["measure"] for one in report["unusual"]] == ["rows"], f"{job}: {report['unusual']}"
    assert any(note.startswith("unusual: ") for note in job.world.notes)


@event("a file that cannot be read")
def _unreadable(job: Job) -> None:
    file = job.crm.file()
    for path in _spoiled(job, file):
        job.refused(2, partial(run_import, job.world, path, NIGHTLY))
    job.finish(file)


def _spoiled(job: Job, file: Night) -> list[Path]:
    folder, text = job.world.folder, as_csv(file.cells())
    missing = folder / "missing.csv"
    renamed = folder / "renamed.csv"
    renamed.write_text(text.replace(HEADERS["reference_id"], "Number", 1), encoding="utf-8")
    cut = folder / "cut.csv.gz"
    cut.write_bytes(gzip.compress(text.encode())[:-200])
    empty = folder / "empty.csv"
    empty.write_bytes(b"")
    return [missing, renamed, cut, empty]
