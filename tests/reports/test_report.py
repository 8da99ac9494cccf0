"""report.json: the sum, the reasons, and the exit code they come to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worlds import World, open_world, run_import, run_plan

ROWS = [
    {"Email": "ada@example.com"},
    {"Email": "ADA@example.com"},
    {"Email": "nobody", "Phone": "12"},
]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A Square of one's own."""
    return open_world(tmp_path)


def test_keys(world: World) -> None:
    """The report holds what machines are promised, under the promised names."""
    report = run_import(world, ROWS)
    assert set(report) == {
        "run_id",
        "command",
        "status",
        "started_at",
        "finished_at",
        "target",
        "merchant_id",
        "square_version",
        "sources",
        "rows",
        "balanced",
        "planned",
        "reasons",
        "unusual",
        "repairs",
        "consent",
        "lookup",
        "beside",
        "verified",
        "requests",
        "seconds",
        "stopped",
        "amends",
        "amended",
        "applies",
        "undoes",
        "undone",
        "replanned",
        "exit_code",
    }
    assert report["started_at"] == "2026-08-20T02:00:00Z"
    assert report["merchant_id"] == world.sandbox.merchant_id


def test_the_sum(world: World) -> None:
    """Rows read are the sum of the ten outcomes, and all problems of a row are counted."""
    report = run_import(world, ROWS)
    rows = dict(report["rows"])
    assert rows.pop("read") == sum(rows.values()) == 3
    assert len(rows) == 10
    assert report["balanced"]
    assert (rows["created"], rows["duplicate"], rows["rejected"]) == (1, 1, 1)
    assert report["reasons"] == {
        "INVALID_EMAIL_ADDRESS": {"email_address": 1},
        "INVALID_PHONE_NUMBER": {"phone_number": 1},
    }


@pytest.mark.parametrize(
    ("tolerate", "code"), [("0%", 3), ("0", 3), ("1", 0), ("33%", 3), ("34%", 0), ("100%", 0)]
)
def test_tolerance(world: World, tolerate: str, code: int) -> None:
    """Rejected rows make exit 3, unless they are within the tolerance."""
    assert run_import(world, ROWS, {"limits": {"tolerate": tolerate}})["exit_code"] == code


def test_calls_are_counted(world: World) -> None:
    """Calls, retries and 429s are counted per endpoint."""
    world.faults(
        {"endpoint": "bulk-create", "nth": 1, "do": "status", "status": 429, "when": "before"}
    )
    requests = run_import(world, ROWS)["requests"]
    assert requests["POST /v2/customers/bulk-create"] == {
        "calls": 2,
        "retries": 1,
        "rate_limited": 1,
        "errors": 1,
    }


def test_a_foreign_edit_before_the_read_back_is_told(world: World) -> None:
    """A profile that does not read back as written is counted, and makes exit 3."""

    def edit(sent: object) -> None:
        if getattr(sent, "endpoint", "") == "bulk-retrieve":
            for customer_id in world.alive():
                world.update(customer_id, nickname="x", email_address="other@example.com")

    world.before = edit
    report = run_import(world, ROWS[:1])
    assert report["verified"] == {"checked": 1, "matched": 0, "mismatched": 1}
    assert report["exit_code"] == 3


def test_a_plan_counts_what_would_be_done(world: World) -> None:
    """A plan's rows are pending, and its report says what an import would write."""
    known = world.create(email_address="ada@example.com", given_name="Ada")
    report = run_plan(
        world,
        [{"Email": "ada@example.com", "First name": "Ada", "Nickname": "Countess"}, *ROWS[2:]],
    )
    assert known in world.alive()
    beside = dict.fromkeys(("groups", "custom_attributes", "gift_cards"), 0)
    calls = {"create": 0, "update": 1, **beside, "read_back": 1}
    assert report["planned"] == {
        **{"creates": 0, "updates": 1, "fields_cleared": 0},
        **{"calls": calls, "seconds": 0.0},
    }
    assert report["rows"]["pending"] == 1
    assert report["status"] == "planned"
    assert world.written() == []
