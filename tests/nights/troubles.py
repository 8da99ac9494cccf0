"""Troubles: Square is down or out of sorts, a token ends, a run is killed, or two run at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from etl.journal.journal import Journal
from etl.pipeline import Progress
from tests.nights.crm import Night
from tests.nights.interference import READING, WRITING, kill, meanwhile, outage, quiet
from tests.nights.job import KILLED, SCOPES, TAGGED, Events, Job
from tests.nights.model import Values
from tests.worlds import interfere, run_resume, run_undo

event = Events()


# -- Square ----------------------------------------------------------------------------------


@event("down amid the load, resumed in the morning")
def _outage_resumed(job: Job) -> None:
    outage(job, "bulk-update")
    go_on = _stopped(job, 4)
    job.in_the_morning.append(go_on)


@event("down amid the load, same command next night")
def _outage_again(job: Job) -> None:
    outage(job, *WRITING)
    job.next_night.append(_stopped(job, 4, same_command=True))


@event("down before it begins, same command later")
def _down(job: Job) -> None:
    outage(job, "retrieve-merchant")
    file = job.crm.file()
    job.refused(4, lambda: job.import_(file))
    quiet(job)
    job.finish(file)


@event("the token ends amid the load")
def _token_ends(job: Job) -> None:
    token = job.world.token
    interfere(job.world, "bulk-update", 1, lambda: job.world.revoke(token))
    go_on = _stopped(job, 4)
    job.world.token = job.world.new_token(*SCOPES)
    job.in_the_morning.append(go_on)


@event("the token is refused at once")
def _token_refused(job: Job) -> None:
    file = job.crm.file()
    job.world.revoke(job.world.token)
    job.refused(2, lambda: job.import_(file))
    job.world.token = job.world.new_token(*SCOPES)
    job.finish(file)


@event("a storm of 429")
def _storm(job: Job) -> None:
    job.world.faults(
        *(
            {"endpoint": name, "rate": 0.6, "do": "status", "status": 429, "retry_after": 2}
            for name in (*READING, *WRITING)
        ),
        seed=job.chance.randrange(1000),
    )
    report = job.finish(job.crm.file())
    assert sum(each["rate_limited"] for each in report["requests"].values()), f"{job}: no storm"
    quiet(job)


@event("answers are lost")
def _flaky(job: Job) -> None:
    job.world.faults(
        *({"endpoint": name, "rate": 0.3, "do": "drop", "when": "after"} for name in WRITING),
        *({"endpoint": name, "rate": 0.3, "do": "reset"} for name in WRITING),
        *({"endpoint": name, "rate": 0.2, "do": "garbage"} for name in READING),
        seed=job.chance.randrange(1000),
    )
    job.finish(job.crm.file())
    quiet(job)


# -- runs that end too early -----------------------------------------------------------------


def _stopped(job: Job, code: int, *, same_command: bool = False) -> Callable[[], None]:
    """Import tonight's file, which stops with ``code``; return how it is finished.

    The model takes what landed now and the rest then; in between nobody touches what landed.
    """
    file, name, mark = job.crm.file(), job.name(), len(job.world.sandbox.log())
    job.world.sent.clear()
    job.load(file, code)
    quiet(job)
    ends, rest, landed = _land(job, file, mark)
    job.seller.busy |= landed

    def go_on() -> None:
        job.seller.busy -= landed
        left = job.unfinished()
        assert len(left) <= 1, f"{job}: unfinished are {left}"
        ends.update(job.model.take_in(rest))
        code = job.code_of(ends)
        if same_command or not left:
            report = job.load(file, code, name=name)
        else:
            report = job.give(code, lambda: run_resume(job.world, left[0]))
        job.compare(ends, report)
        assert not job.unfinished(), f"{job}: {job.unfinished()} is still unfinished"

    return go_on


def _land(job: Job, file: Night, mark: int) -> tuple[Counter[str], list[Values], set[str]]:
    """Let the model take the rows that the run is done with, by Square's log; return the rest.

    Also returns whose writes landed. Once something was sent, a row that asked for nothing is done.
    """
    landed = {
        job.world.profile(entry["customer_id"])["reference_id"]
        for entry in job.world.sandbox.log()[mark:]
    }
    sent = any(job.world.calls(endpoint) for endpoint in WRITING)
    done = landed | (job.model.settled(file.rows) if sent else set())
    ends = job.model.take_in([row for row in file.rows if row["reference_id"] in done])
    rest = [row for row in file.rows if row["reference_id"] not in done]
    return ends, rest, landed


@event("killed amid the load, resumed next night")
def _killed(job: Job) -> None:
    kill(job, job.chance.choice(("before", "after")), *WRITING)
    job.next_night.append(_stopped(job, KILLED))


@event("killed at any moment, resumed in the morning")
def _killed_anywhere(job: Job) -> None:
    kill(job, job.chance.choice(("before", "after", "watch")), moment=job.chance.randint(0, 5))
    job.in_the_morning.append(_stopped(job, KILLED))


@event("killed while groups are joined")
def _killed_joining(job: Job) -> None:
    file = job.crm.tagged()

    def watch(progress: Progress) -> None:
        if progress.stage == "attach":
            job.world.watch = lambda progress: None
            kill(job, how, moment=moment)

    how, moment = job.chance.choice(("before", "after")), job.chance.randint(0, 12)
    job.world.watch = watch
    job.load(file, KILLED, TAGGED)
    quiet(job)
    (left,) = job.unfinished()
    job.resume(file, left)
    job.check_drinks()


@event("killed and forgotten")
def _forgotten(job: Job) -> None:
    kill(job, job.chance.choice(("before", "after")), *WRITING)
    file, mark = job.crm.file(), len(job.world.sandbox.log())
    job.world.sent.clear()
    job.load(file, KILLED)
    quiet(job)
    _, rest, landed = _land(job, file, mark)
    # Updates under way are sent once more before the next run looks at anything. Creates are not:
    # their keys are too old by then.
    by_id = {id: key for key, id in job.seller.ids().items()}
    last = job.world.sent[-1]
    under_way = {by_id[id] for id in last.customers} if last.endpoint == "bulk-update" else set()
    landed |= under_way
    job.seller.busy |= landed

    def go_on() -> None:
        job.seller.busy -= landed
        (left,) = job.unfinished()
        job.model.take_in([row for row in rest if row["reference_id"] in under_way])
        job.finish(job.crm.file(), name=f"early_{job.name()}")
        job.purge(left, unfinished=True)
        job.crm.changes(job.night, job.untouchable(), [])

    job.next_night.append(go_on)


@event("two runs at once")
def _overlap(job: Job) -> None:
    file, other = job.crm.file(), job.crm.file()
    done = [folder.name for folder, journal in job.world.state.journals() if _finished(journal)]

    def overlap() -> None:
        quiet(job)
        job.refused(5, lambda: job.import_(other, name="other.csv"))
        job.refused(5, lambda: run_undo(job.world, done[0]))
        job.refused(5, lambda: job.purge(done[0]))

    check = meanwhile(job, "bulk-update", overlap)
    job.finish(file)
    check()


def _finished(journal: Journal) -> bool:
    return journal.run().command == "import" and "reported" in journal.facts()
