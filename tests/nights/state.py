"""The state folder: lost, or as it was two days ago."""

from __future__ import annotations

import shutil

from tests.nights.job import LAG, Events, Job
from tests.nights.model import Memory
from tests.nights.people import answer

event = Events()


@event("the copy of the directory is lost")
def _copy_lost(job: Job) -> None:
    (copy,) = job.world.state.directories()
    if job.chance.random() < 0.5:
        shutil.rmtree(copy.parent)
    else:
        copy.write_bytes(copy.read_bytes()[: copy.stat().st_size // 2])
    job.finish(job.crm.file())


@event("the state folder is lost")
def _lost(job: Job) -> None:
    # Without its memory an import leans on search having caught up.
    job.world.time.sleep(2 * LAG)
    shutil.rmtree(job.world.state.folder)
    memory, job.model.memory, job.start_over = job.model.memory, Memory(), True
    job.model.memory.held = memory.held | memory.skipped
    file = job.crm.file()
    report = job.finish(file)
    if job.model.memory.held:
        job.in_the_morning.append(lambda: answer(job, file, report))


@event("the state of two days ago is restored")
def _restored(job: Job) -> None:
    job.world.time.sleep(2 * LAG)
    job.restore()
    file = job.crm.file()
    report = job.finish(file)
    if job.model.memory.held:
        job.in_the_morning.append(lambda: answer(job, file, report))
