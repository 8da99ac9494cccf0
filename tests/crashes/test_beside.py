"""Does a kill lose a membership, a custom attribute or a gift card, or make a group twice?"""

from __future__ import annotations

import json
import signal
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from etl.sandbox import Request, Sandbox
from tests.crashes import evidence
from tests.crashes.lanes import KILLS, run_all
from tests.crashes.places import Place, child
from tests.crashes.test_every_point import spread
from tests.worlds import as_csv, people

SETTINGS = {
    "groups": {"column": "Tags", "add": ["Imported 2026"]},
    "custom_attributes": {"Drink": "favorite-drink"},
    "definitions": {"create_missing": True},
}
CONFIG = """
groups = { column = "Tags", add = ["Imported 2026"] }
custom_attributes = { Drink = "favorite-drink" }
definitions = { create_missing = true }
"""


GANS = [f"77833200{number:04d}0001" for number in range(60)]


def test_killed_while_groups_attributes_and_gift_cards_are_written(tmp_path: Path) -> None:
    """Killed from the first look at groups on, an import ends as if nothing had happened."""
    source, config = tmp_path / "people.csv", tmp_path / "beside.toml"
    rows = [{**row, "Tags": "VIP,New", "Drink": "tea"} for row in people(60)]
    cards = [{**row, "gift_card_gan": gan} for row, gan in zip(rows, GANS, strict=True)]
    source.write_text(as_csv(cards))
    config.write_text(CONFIG)
    (tmp_path / "calm").mkdir()
    calm = Place(tmp_path / "calm", tmp_path / "calm" / "sandbox.sqlite")
    sell(calm)
    done = child(calm, [str(source)], settings=SETTINGS)
    assert done.returncode == 0, done.stderr
    points = json.loads(done.stdout)
    expected = written(calm)
    assert expected == {
        "create": 60,
        "create-group": 3,
        "create-attribute-definition": 1,
        "update": 180,
        "upsert-attribute": 60,
        "create-gift-card": 60,
        "link-gift-card": 60,
    }
    first = points.index("wire before groups")

    def killed_at(at: int, folder: Path) -> None:
        place = Place(folder, folder / "sandbox.sqlite")
        sell(place)
        dead = child(place, [str(source)], settings=SETTINGS, at=at)
        assert dead.returncode == -signal.SIGKILL, dead.stderr
        KILLS["beside profiles"] += 1
        for _ in range(2):
            ended = place.run(
                *("import", str(source), "--config", str(config), "--state-dir", str(folder)),
                *("--output", "json", "--quiet"),
            )
            assert ended.returncode == 0, ended.stderr
            assert written(place) == expected
        report: dict[str, Any] = json.loads(ended.stdout)
        assert report["rows"]["unchanged"] == 60

    at = spread(list(range(first + 1, len(points) + 1)), 10)
    run_all({f"{n} {points[n - 1]}": partial(killed_at, n) for n in at}, tmp_path)


def sell(place: Place) -> None:
    """Sell the gift cards as the seller did before."""
    box = Sandbox(place.sandbox)
    headers = {"authorization": f"Bearer {box.token}"}

    def ask(method: str, path: str, body: bytes) -> Any:
        answer = box.respond(Request(method, path, "", headers, body))
        assert answer.status == 200, answer.body.decode()
        return json.loads(answer.body)

    try:
        at = ask("GET", "/v2/locations", b"")["locations"][0]["id"]
        for gan in GANS:
            card = {"type": "PHYSICAL", "gan": gan, "gan_source": "OTHER"}
            told = {"idempotency_key": gan, "location_id": at, "gift_card": card}
            ask("POST", "/v2/gift-cards", json.dumps(told).encode())
    finally:
        box.close()


def written(place: Place) -> dict[str, int]:
    """Return how often each kind of write had an effect."""
    return dict(Counter(entry["action"] for entry in evidence.written(place.sandbox)))
