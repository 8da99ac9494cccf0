"""People: a seller who works at night, and those who decide, plan, take back and erase."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, datetime

from etl import retention
from etl.pipeline import Report
from tests.nights.crm import HEADERS, Night
from tests.nights.interference import kill, meanwhile, quiet
from tests.nights.job import LAG, NIGHTLY, Events, Job
from tests.worlds import Killed, Sent, as_csv, run_apply, run_import, run_plan, run_undo, table

event = Events()


# -- at night --------------------------------------------------------------------------------


def _being_written(job: Job) -> list[str]:
    """Return the CRM's numbers of those whom the request under way updates."""
    by_id = {id: key for key, id in job.seller.ids().items()}
    keys = (by_id[id] for id in job.world.sent[-1].customers)
    return [key for key in keys if key not in job.untouchable()]


@event("the seller edits during the run")
def _edited(job: Job) -> None:
    file = job.crm.file()
    late: list[tuple[str, str]] = []

    def edit() -> None:
        ids, written = job.seller.ids(), _being_written(job)
        for key in written[:2]:
            profile = job.model[key]
            job.seller.edit(profile, "company_name", ids)
            job.seller.edit(profile, "address.locality", ids, "Elsewhere")
        # Whoever is as the file says was looked at already.
        rows = {row["reference_id"] for row in file.rows}
        for profile in job.seller.some(2, besides=job.world.sent[-1].customers):
            if profile.key in rows and profile.key not in written:
                job.world.update(ids[profile.key], nickname="Late")
                late.append((profile.key, "Late"))

    check = meanwhile(job, "bulk-update", edit)
    report = job.load(file, job.code_of(_expected(job, file)))
    check()
    job.compare(job.model.take_in(file.rows), report)
    for key, word in late:
        job.model[key].values["nickname"] = word


@event("the seller merges and deletes during the run")
def _merged_and_deleted(job: Job) -> None:
    file = job.crm.file()
    gone: list[str] = []

    def merge_and_delete() -> None:
        once = [row["reference_id"] for row in file.rows]
        written = [key for key in _being_written(job) if once.count(key) == 1]
        job.seller.merge_with_a_stranger(*(job.model[key] for key in written[:1]))
        job.seller.delete(*(job.model[key] for key in written[1:2]))
        gone.extend(written[1:2])

    check = meanwhile(job, "bulk-update", merge_and_delete)
    report = job.load(file, 3)
    check()
    ends = job.model.take_in([row for row in file.rows if row["reference_id"] not in gone])
    ends["failed"] += len(gone)
    job.compare(ends, report)


@event("the seller edits what was just written")
def _mismatched(job: Job) -> None:
    file, known = job.crm.file(), set(job.seller.ids())
    edited: list[str] = []

    def edit(sent: Sent) -> None:
        if sent.endpoint != "bulk-create" or edited:
            return
        ids = job.seller.ids()
        new = sorted(key for key in ids if key not in known)
        job.world.update(ids[new[0]], address={"locality": "Elsewhere"})
        edited.append(new[0])

    job.world.after = edit
    report = job.load(file, 3)
    quiet(job)
    job.compare(job.model.take_in(file.rows), report)
    assert report["verified"]["mismatched"] == 1, f"{job}: {report['verified']}"
    job.model[edited[0]].values["address.locality"] = "Elsewhere"


@event("the seller merges two known people")
def _merged(job: Job) -> None:
    one, other = job.seller.some(2)
    job.crm.people.pop(other.key)  # the CRM finds out as well
    job.seller.merge(one, other)
    job.world.time.sleep(2 * LAG)
    job.finish(job.crm.file())


# -- by day ----------------------------------------------------------------------------------


@event("rows for review, answered in the morning")
def _review(job: Job) -> None:
    for _ in range(2):
        row = job.crm.person()
        stranger = job.seller.serve(phone_number=row["phone_number"])
        job.seller.busy |= {row["reference_id"], stranger.key}
        job.model.memory.held.add(row["reference_id"])
    job.world.time.sleep(2 * LAG)
    file = job.crm.file()
    report = job.finish(file)
    job.in_the_morning.append(lambda: answer(job, file, report))


def answer(job: Job, file: Night, report: Report) -> None:
    """Feed a review file back in which every row is decided on."""
    rows = table(job.world, report, "review.csv")
    meant = {row["reference_id"]: row for row in file.rows}
    ids, memory, ends = job.seller.ids(), job.model.memory, dict[str, int]()
    for row in rows:
        key = row[HEADERS["reference_id"]]
        if key not in memory.held:  # a mere hint, of somebody who was created
            ends["unchanged"] = ends.get("unchanged", 0) + 1
            continue
        candidates = [id for id in row["_candidates"].split(";") if id]
        choice = job.chance.choice(("create", "skip", "this one"))
        memory.held.discard(key)
        if key in ids:  # it was decided before the state folder was restored
            choice, row["decision"] = "this one", ids[key]
        elif choice == "this one":
            row["decision"] = candidates[0]
        else:
            row["decision"] = choice
        if choice == "skip":
            memory.skipped.add(key)
            end = "skipped"
        elif choice == "create":
            job.model.add({name: value for name, value in meant[key].items() if value})
            end = "created"
        else:
            by_id = {id: known for known, id in ids.items()}
            profile = job.model[by_id[row["decision"]]]
            profile.values["reference_id"] = key
            end = next(iter(job.model.take_in([meant[key]])))
            end = "unchanged" if key in ids and end == "unchanged" else "updated"
        ends[end] = ends.get(end, 0) + 1
    path = job.world.file(as_csv(rows), f"review_{job.name()}")
    job.compare(ends, job.give(0, lambda: run_import(job.world, path, NIGHTLY)))


@event("a plan, applied a day later")
def _planned(job: Job) -> None:
    file = job.crm.file()
    plan = job.refused(
        job.code_of(_expected(job, file)),
        lambda: run_plan(job.world, file.cells(), NIGHTLY, name=job.name()),
    )

    def apply() -> None:
        ends = job.model.take_in(file.rows)
        job.compare(ends, job.give(job.code_of(ends), lambda: run_apply(job.world, plan)))
        job.purge(plan["run_id"])  # who is in a plan cannot be erased

    job.next_night.append(apply)


@event("taken back in the morning")
def _undone(job: Job) -> None:
    before = job.model.snapshot()
    report = job.finish(job.crm.file())
    after = job.model.snapshot()

    def undo() -> None:
        ids = job.seller.ids()
        new = [one for one, _ in after[len(before) :]]
        for profile in new[:1]:
            job.seller.edit(profile, "company_name", ids)
        for profile in job.seller.some(3, besides={one.key for one in new}):
            job.seller.edit(profile, "nickname", ids)
        left = job.model.undo(before, after)
        if job.chance.random() < 0.5:
            kill(job, "before", moment=job.chance.randint(1, 12))
            with suppress(Killed):
                run_undo(job.world, report)
            quiet(job)
        undone = job.give(3 if left else 0, lambda: run_undo(job.world, report))
        assert undone["undone"], f"{job}: {undone}"

    job.in_the_morning.append(undo)


@event("somebody is erased")
def _erased(job: Job) -> None:
    (profile,) = job.seller.some(1)
    who = retention.person([], [], [profile.key])
    job.seller.delete(profile)
    now = datetime.fromtimestamp(job.world.time.now, UTC)
    erased = retention.erase(job.world.state, who, now, random.Random(1), job.world.notes.append)
    assert not erased.left, f"{job}: {erased.left}"
    job.model.memory.erased.add(profile.key)
    job.world.time.sleep(2 * LAG)
    job.finish(job.crm.file())


def _expected(job: Job, file: Night) -> dict[str, int]:
    held = [row for row in file.rows if row["reference_id"] in job.model.memory.held]
    return {"review": len(held)}
