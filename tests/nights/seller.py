"""What does the seller do by day? Serves people whom no CRM knows, edits, deletes and merges."""

from __future__ import annotations

import random
from collections.abc import Collection

from tests.nights.model import Model, Profile, Values, values_of
from tests.worlds import World

_EDITS = ("nickname", "note", "company_name", "address.address_line_2")


class Seller:
    """Somebody who works in the directory as well, and whose work the model follows."""

    def __init__(self, world: World, model: Model, chance: random.Random) -> None:
        self._world = world
        self._model = model
        self._chance = chance
        self._count = 0
        self.busy: set[str] = set()  # keys of profiles that a test has plans for

    def ids(self) -> dict[str, str]:
        """Return the id of every profile by its key."""
        alive = ((id, values_of(profile)) for id, profile in self._world.alive().items())
        return {v.get("reference_id") or v["email_address"]: id for id, v in alive}

    def a_day(self) -> None:
        """Do a day's work."""
        chance, ids = self._chance, self.ids()
        for profile in self.some(4):
            self.edit(profile, chance.choice(_EDITS), ids)
        self.respell(*self.some(1), ids=ids)
        self.serve()
        if chance.random() < 0.5:
            self.delete(*self.some(1))
        if chance.random() < 0.5:
            self.merge_with_a_stranger(*self.some(1))

    def some(self, count: int, besides: Collection[str] = ()) -> list[Profile]:
        """Pick people of the CRM whom nobody has plans for."""
        apart = self.busy | self._model.memory.held | self._model.memory.skipped | {*besides}
        free = [
            one
            for one in self._model.profiles
            if one.key not in apart and "reference_id" in one.values
        ]
        return self._chance.sample(free, min(count, len(free)))

    def strangers(self) -> list[str]:
        """Return the emails of people whom no CRM knows, and nobody has plans for."""
        keys = [one.key for one in self._model.profiles if "reference_id" not in one.values]
        return [key for key in keys if key not in self.busy]

    def serve(self, **more: str) -> Profile:
        """Somebody new walks in."""
        self._count += 1
        values = {
            "given_name": "Walkin",
            "family_name": f"Number{self._count}",
            "email_address": f"walkin{self._count}@example.net",
            **more,
        }
        self._world.create(**values)
        return self._model.add(values)

    def edit(self, profile: Profile, name: str, ids: dict[str, str], word: str = "") -> None:
        """Change a field of a profile; a note may be cleared."""
        self._count += 1
        if name == "note" and not word and self._chance.random() < 0.3:
            profile.values.pop(name, None)
            self._world.update(ids[profile.key], note=None)
            return
        profile.values[name] = word or f"by the seller {self._count}"
        head, _, part = name.partition(".")
        value = profile.values[name]
        self._world.update(ids[profile.key], **{head: {part: value} if part else value})

    def respell(self, *profiles: Profile, ids: dict[str, str]) -> None:
        """Type a phone anew, the way people do."""
        for profile in profiles:
            if phone := profile.values.get("phone_number"):
                digits = "".join(letter for letter in phone if letter.isdigit())[-10:]
                profile.values["phone_number"] = f"{digits[:3]} {digits[3:6]} {digits[6:]}"
                number = profile.values["phone_number"]
                self._world.update(ids[profile.key], phone_number=number)

    def delete(self, *profiles: Profile) -> None:
        """Delete profiles."""
        ids = self.ids()
        for profile in profiles:
            self._world.delete(ids[profile.key])
            self._model.remove(profile.key)

    def merge_with_a_stranger(self, *profiles: Profile) -> None:
        """Find out that a known person was served as a stranger: the profile gets another id."""
        for profile in profiles:
            self._count += 1
            stray: Values = {"family_name": f"Stray{self._count}", "company_name": "Stray & Co"}
            id = self._world.create(**stray, email_address=f"stray{self._count}@example.net")
            self._world.merge(self.ids()[profile.key], id)
            extra = {"email_address": f"stray{self._count}@example.net", **stray}
            profile.values = {**extra, **profile.values}

    def merge(self, one: Profile, other: Profile) -> None:
        """Find out that two people are one."""
        ids = self.ids()
        self._world.merge(ids[one.key], ids[other.key])
        self._model.remove(other.key)
        one.values = {**other.values, **one.values}
        one.groups |= other.groups
        one.drink = one.drink or other.drink
