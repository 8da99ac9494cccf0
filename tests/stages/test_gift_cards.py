"""Tests of gift cards: each is linked to its customer once, nobody's is taken away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from etl.cli import summary
from etl.errors import ConfigError
from tests.worlds import (
    Killed,
    Sent,
    World,
    counts,
    errors,
    folder_of,
    interfere,
    open_world,
    outcomes,
    people,
    run_apply,
    run_import,
    run_plan,
    run_resume,
    run_undo,
    table,
)

CARDS = {
    "columns": {
        **{name: name for name in people(1)[0]},
        "Card number": "gift_card_gan",
    }
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose directory is empty."""
    world = open_world(tmp_path)
    yield world
    world.close()


def sell(world: World, gan: str = "") -> dict[str, Any]:
    """Sell a gift card as the seller would; return it."""
    (place,) = world._call("GET", "/v2/locations", {})["locations"][:1]
    own = {"gan": gan, "gan_source": "OTHER"} if gan else {}
    told = {"type": "DIGITAL", **own}
    key = f"sold-{len(world.sandbox.log())}"
    body = {"idempotency_key": key, "location_id": place["id"], "gift_card": told}
    found: dict[str, Any] = world._call("POST", "/v2/gift-cards", body)["gift_card"]
    return found


def link(world: World, card: Mapping[str, Any], customer_id: str, verb: str = "link") -> None:
    """Link a gift card as the seller would."""
    path = f"/v2/gift-cards/{card['id']}/{verb}-customer"
    world._call("POST", path, {"customer_id": customer_id})


def owners(world: World, card: Mapping[str, Any]) -> list[str]:
    """Return the references of the customers a gift card is linked to."""
    there = world._call("GET", f"/v2/gift-cards/{card['id']}", {})["gift_card"]
    return [world.profile(id).get("reference_id", "") for id in there.get("customer_ids", [])]


def with_cards(gans: Sequence[str], first: int = 0) -> list[dict[str, str]]:
    """Return rows of different people with the numbers of gift cards."""
    rows = people(len(gans), first)
    return [{**row, "Card number": gan} for row, gan in zip(rows, gans, strict=True)]


def links(world: World) -> list[dict[str, Any]]:
    """Return every link that had an effect."""
    return [entry for entry in world.sandbox.log() if entry["action"] == "link-gift-card"]


def said(world: World, report: dict[str, Any]) -> str:
    """Return all that a run's files and its summary say, but the original columns of rejects."""
    folder = folder_of(world, report)
    texts = [
        path.read_text(encoding="utf-8")
        for path in folder.iterdir()
        if path.suffix in (".csv", ".json", ".html") and path.name != "rejects.csv"
    ]
    for line in table(world, report, "rejects.csv"):
        texts += [line[name] for name in line if name.startswith("_")]
    return "\n".join([*texts, summary.text(report, folder, world.state.folder)])


# -- what an import makes of them ------------------------------------------------------------


def test_cards_are_linked_to_new_and_known_customers(world: World) -> None:
    """The number finds the card, the card gets its customer, and is read back."""
    cards = [sell(world) for _ in range(3)]
    run_import(world, people(1))
    world.time.now += 1000

    report = run_import(world, with_cards([*(card["gan"] for card in cards), ""]), CARDS)

    assert outcomes(world, report) == ["updated", "created", "created", "created"]
    assert [owners(world, card) for card in cards] == [["R0000"], ["R0001"], ["R0002"]]
    assert report["exit_code"] == 0
    assert report["beside"]["gift_cards"] == {
        "planned": 3,
        "added": 3,
        "failed": 0,
        "verified": 3,
        "mismatched": 0,
    }
    assert table(world, report, "rows.csv")[0]["detail"] == "gift_card_gan"
    requests = report["requests"]
    assert requests["POST /v2/gift-cards/from-gan"]["calls"] == 3
    assert requests["POST /v2/gift-cards/{gift_card_id}/link-customer"]["calls"] == 3
    assert requests["GET /v2/gift-cards/{gift_card_id}"]["calls"] == 3


def test_a_finished_file_again_writes_nothing(world: World) -> None:
    """A card that is the customer's already needs no call but the look."""
    rows = with_cards([sell(world)["gan"], sell(world)["gan"]])
    run_import(world, rows, CARDS)
    before = world.sandbox.log()

    assert counts(run_import(world, rows, CARDS)) == {"unchanged": 2}
    assert world.sandbox.log() == before


@pytest.mark.parametrize("header", ["gift_card_gan", "Gift card GAN"])
def test_a_column_is_known_by_its_name(world: World, header: str) -> None:
    """Without [columns] the header says it."""
    card = sell(world)
    report = run_import(world, [{**people(1)[0], header: card["gan"]}])
    assert (owners(world, card), report["exit_code"]) == (["R0000"], 0)


def test_rows_of_one_customer_bring_all_their_cards(world: World) -> None:
    """Joined rows link each card; one that is there twice once."""
    cards = [sell(world), sell(world)]
    (row,) = people(1)
    numbers = [cards[0]["gan"], cards[1]["gan"], cards[0]["gan"]]
    report = run_import(world, [{**row, "Card number": gan} for gan in numbers], CARDS)
    assert counts(report) == {"created": 1, "duplicate": 2}
    assert [owners(world, card) for card in cards] == [["R0000"], ["R0000"]]
    assert len(links(world)) == 2
    assert report["requests"]["POST /v2/gift-cards/from-gan"]["calls"] == 2


def test_numbers_are_cleaned(world: World) -> None:
    """Blanks, hyphens and a leading apostrophe go; what a seller chose may hold letters."""
    cards = [sell(world, f"77833200012345{n:02d}") for n in range(3)]
    own = sell(world, "SPRING2026XY")
    written = [" 7783 3200-0123 4500 ", "'7783320001234501", "7783320001234502", "SPRING2026XY"]
    report = run_import(world, with_cards(written), CARDS)
    assert (counts(report), report["exit_code"]) == ({"created": 4}, 0)
    assert [owners(world, card)[0] for card in (*cards, own)] == [f"R{n:04d}" for n in range(4)]
    assert report["repairs"]["GIFT_CARD_FORMATTED"] == {"gift_card_gan": 1}


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("7.78332E+15", "SPREADSHEET_NUMBER"),
        ("7783320001234560.0", "SPREADSHEET_NUMBER"),
        ("7.783320001234567E+15", "SPREADSHEET_NUMBER"),
        ("7783320001234000000", "SPREADSHEET_NUMBER"),
        ("1234567", "INVALID_VALUE"),
        ("7" * 256, "INVALID_VALUE"),
        ("7783320001234567, 7783320001234568", "INVALID_VALUE"),
        ("7783320001234567\u200b", "INVISIBLE_CHARACTER"),
    ],
)
def test_damaged_numbers_are_rejected_and_never_guessed(
    world: World, written: str, code: str
) -> None:
    """Nothing is asked or linked; a suggestion helps; with ``drop`` the row goes on without."""
    sell(world, "7783320001234567")
    report = run_import(world, with_cards([written]), CARDS)
    assert report["reasons"] == {code: {"gift_card_gan": 1}}
    assert table(world, report, "rejects.csv")[0]["_suggestion"]
    dropped = run_import(world, with_cards([written]), {**CARDS, "on_invalid": {"default": "drop"}})
    assert counts(dropped) == {"created": 1}
    assert links(world) == []
    assert world.calls("from-gan") == []


def test_a_number_nobody_knows_is_told(world: World) -> None:
    """The row is rejected with a remedy, or goes on without; the number is asked for once."""
    rows = with_cards(["7783320009999991", "7783320009999991"])
    report = run_import(world, rows, CARDS)
    assert (counts(report), report["exit_code"]) == ({"rejected": 2}, 3)
    assert report["reasons"] == {"GIFT_CARD_UNKNOWN": {"gift_card_gan": 2}}
    assert len(world.calls("from-gan")) == 1
    assert "…9991" in table(world, report, "rejects.csv")[0]["_messages"]
    assert world.written() == []
    report = run_import(world, rows, {**CARDS, "on_invalid": {"default": "drop"}})
    assert (counts(report), report["exit_code"]) == ({"created": 2}, 0)


def test_nobody_loses_a_card(world: World) -> None:
    """A card of another customer, or of an earlier row, is not given to a second one."""
    taken, free = sell(world), sell(world)
    run_import(world, people(1, first=9))
    (owner,) = world.alive()
    link(world, taken, owner)
    world.time.now += 1000

    report = run_import(world, with_cards([taken["gan"], free["gan"], free["gan"]]), CARDS)

    assert outcomes(world, report) == ["rejected", "created", "rejected"]
    assert report["reasons"] == {"GIFT_CARD_TAKEN": {"gift_card_gan": 2}}
    assert (owners(world, taken), owners(world, free)) == (["R0009"], ["R0001"])


def test_a_refused_row_keeps_no_card_from_others(world: World) -> None:
    """A card is free for the next row when the row before it cannot be imported."""
    card = sell(world)
    (row,) = people(1)
    both = [{**row, "Card number": card["gan"]}, {**row, "Card number": "7783320009999991"}]
    report = run_import(world, [*both, *with_cards([card["gan"]], first=1)], CARDS)
    assert outcomes(world, report) == ["rejected", "rejected", "created"]
    assert owners(world, card) == ["R0001"]


def test_customers_who_are_skipped_get_no_card(world: World) -> None:
    """``skip`` leaves people alone who are there."""
    card = sell(world)
    run_import(world, people(1))
    world.time.now += 1000
    settings = {**CARDS, "update": {"policy": "skip"}}
    assert counts(run_import(world, with_cards([card["gan"]]), settings)) == {"skipped": 1}
    assert links(world) == []


# -- the secret ------------------------------------------------------------------------------


def test_the_number_is_shown_to_nobody(world: World) -> None:
    """Messages, ledgers, the plan and the report hold the end of a number, requests no more."""
    known, taken = sell(world), sell(world)
    link(world, taken, world.create(given_name="Ines"))
    numbers = [known["gan"], taken["gan"], "7783320009999991", "7783320001234560.0"]
    plan = run_plan(world, with_cards(numbers), CARDS)
    assert plan["planned"]["calls"]["gift_cards"] == 1
    (line,) = [line for line in table(world, plan, "plan.csv") if line["field"] == "gift_card_gan"]
    assert (line["old"], line["new"]) == ("", f"…{known['gan'][-4:]}")
    report = run_import(world, with_cards(numbers), CARDS)
    assert counts(report) == {"created": 1, "rejected": 3}
    for told in (said(world, plan), said(world, report)):
        assert [gan for gan in numbers if gan in told] == []
    carrying = {sent.endpoint for sent in world.sent if known["gan"].encode() in sent.content}
    assert carrying == {"from-gan"}


@pytest.mark.parametrize("missing", ["GIFTCARDS_READ", "GIFTCARDS_WRITE"])
def test_a_token_without_the_scopes_stops_everything(world: World, missing: str) -> None:
    """It is told before anything is written, and only where a column has gift cards."""
    other = {"GIFTCARDS_READ", "GIFTCARDS_WRITE"} - {missing}
    needed = ("CUSTOMERS_READ", "CUSTOMERS_WRITE", "MERCHANT_PROFILE_READ")
    world.token = world.new_token(*needed, *other)
    gan = sell(world)["gan"]
    before = world.sandbox.log()
    for go in (run_import, run_plan):
        with pytest.raises(ConfigError, match=missing):
            go(world, with_cards([gan]), CARDS)
    assert world.sandbox.log() == before
    assert counts(run_import(world, people(1))) == {"created": 1}


# -- plan, then apply ------------------------------------------------------------------------


def test_a_plan_is_carried_out(world: World) -> None:
    """A plan links nothing; applied it does, and a moved row looks at its card again."""
    run_import(world, people(2))
    world.time.now += 1000
    cards = [sell(world), sell(world)]
    plan = run_plan(world, with_cards([card["gan"] for card in cards]), CARDS)
    assert (counts(plan), links(world)) == ({"pending": 2}, [])
    moved = next(id for id, one in world.alive().items() if one["reference_id"] == "R0001")
    world.update(moved, note="seen")
    link(world, cards[1], world.create(given_name="Ines", reference_id="X"))
    world.time.now += 1000

    report = run_apply(world, plan)

    assert outcomes(world, report) == ["updated", "rejected"]
    assert [owners(world, card) for card in cards] == [["R0000"], ["X"]]


def test_a_card_that_changed_since_the_plan_is_seen(world: World) -> None:
    """A moved row whose card was its customer's when planned, and is nobody's now, gets it."""
    card = sell(world)
    run_import(world, people(1))
    (customer,) = world.alive()
    link(world, card, customer)
    world.time.now += 1000
    plan = run_plan(world, with_cards([card["gan"]]), CARDS)
    assert counts(plan) == {"unchanged": 1}
    link(world, card, customer, "unlink")
    world.update(customer, note="seen")
    world.time.now += 1000
    assert counts(run_apply(world, plan)) == {"updated": 1}
    assert owners(world, card) == ["R0000"]


def test_undo_tells_of_links_that_stay(world: World) -> None:
    """Who was there before keeps the card, and that is told; a created profile goes."""
    run_import(world, people(1))
    world.time.now += 1000
    cards = [sell(world), sell(world)]
    report = run_import(world, with_cards([card["gan"] for card in cards]), CARDS)
    world.time.now += 1000

    undone = run_undo(world, report)

    assert (undone["reasons"], undone["exit_code"]) == (
        {"GIFT_CARD_STAYS": {"gift_card_gan": 1}},
        3,
    )
    assert [owners(world, card) for card in cards] == [["R0000"], []]


# -- whatever breaks -------------------------------------------------------------------------


def test_a_kill_at_any_request_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Killed before a request or after it was carried out, it ends as an undisturbed one does."""

    def start(folder: Path) -> tuple[World, list[dict[str, Any]]]:
        folder.mkdir()
        world = open_world(folder)
        world.create(**people(1)[0])
        world.time.now += 1000
        return world, [sell(world) for _ in range(3)]

    calm, cards = start(tmp_path / "calm")
    rows = with_cards([card["gan"] for card in cards])
    expected = counts(run_import(calm, rows, CARDS))
    assert (expected, len(links(calm))) == ({"created": 2, "updated": 1}, 3)
    requests = len(calm.sent)
    assert requests > 12
    for number in range(1, requests + 1):
        world, cards = start(tmp_path / str(number))
        kill_at(world, number, after=number % 2 == 0)
        with pytest.raises(Killed):
            run_import(world, rows, CARDS)
        world.before = world.after = lambda sent: None
        report = run_import(world, rows, CARDS)
        assert (counts(report), report["exit_code"]) == (expected, 0)
        assert [owners(world, card) for card in cards] == [["R0000"], ["R0001"], ["R0002"]]
        assert len(links(world)) == 3
        world.close()
    calm.close()


def kill_at(world: World, number: int, *, after: bool) -> None:
    """Die at the ``number``th request of an import, before Square sees it or before it is told."""
    left = number

    def die(sent: Sent) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    if after:
        world.after = die
    else:
        world.before = die


def test_lost_answers_are_asked_for_again(world: World) -> None:
    """After answers that were lost every card is linked once, by the same bytes."""
    rows = with_cards([sell(world)["gan"] for _ in range(3)])
    lost: list[dict[str, Any]] = [{"do": "drop", "when": "after"}, {"do": "truncate"}]
    lost += [{"do": "status", "status": 500, "when": "after"}, {"do": "status", "status": 429}]
    world.faults(
        *({"endpoint": "link-gift-card", "nth": nth, **one} for nth, one in enumerate(lost, 1))
    )
    report = run_import(world, rows, CARDS)
    assert (counts(report), report["exit_code"]) == ({"created": 3}, 0)
    assert len(links(world)) == 3
    assert len(world.calls("link-customer")) == 7
    assert len({sent.content for sent in world.calls("link-customer")}) == 3


def test_an_outage_leaves_a_run_that_resumes(world: World) -> None:
    """The profiles are there, the cards follow with the resume."""
    rows = with_cards([sell(world)["gan"], sell(world)["gan"]])
    world.faults({"endpoint": "link-gift-card", "rate": 1.0, "do": "status", "status": 500})
    stopped = run_import(world, rows, CARDS)
    assert (counts(stopped), stopped["exit_code"]) == ({"created": 2}, 4)
    world.faults()
    report = run_resume(world, stopped)
    assert (counts(report), report["exit_code"]) == ({"created": 2}, 0)
    assert len(links(world)) == 2


def test_a_customer_merged_meanwhile_is_followed(world: World) -> None:
    """A profile merged between the load and its card gets the card under its new id."""
    card = sell(world)

    def merge() -> None:
        world.merge(*world.alive())

    interfere(world, "link-customer", 1, merge)
    report = run_import(world, with_cards([card["gan"], ""]), CARDS)
    assert counts(report) == {"created": 2}
    (one,) = world.alive()
    assert [entry["customer_id"] for entry in links(world)] == [one]
    assert report["beside"]["gift_cards"]["verified"] == 1


def test_one_refusal_fails_one_row(world: World) -> None:
    """Square's words are told of the row; the others get their cards."""
    rows = with_cards([sell(world)["gan"], sell(world)["gan"]])
    interfere(world, "link-customer", 1, lambda: errors(400, "BAD_REQUEST"))
    report = run_import(world, rows, CARDS)
    assert (outcomes(world, report), report["exit_code"]) == (["failed", "created"], 3)
    assert report["reasons"] == {"BAD_REQUEST": {"gift_card_gan": 1}}


def test_what_square_does_not_hold_is_told(world: World) -> None:
    """A card that was unlinked when it is read back makes the run end with exit 3."""
    card = sell(world)

    def leave() -> None:
        link(world, card, next(iter(world.alive())), "unlink")

    interfere(world, "bulk-retrieve", 2, leave)
    report = run_import(world, with_cards([card["gan"]]), CARDS)
    assert report["beside"]["gift_cards"]["mismatched"] == 1
    told = {"VERIFY_MISMATCH": {"gift_card_gan": 1}}
    assert (report["repairs"], report["exit_code"]) == (told, 3)
