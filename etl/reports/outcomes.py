"""What does each outcome mean, in a few words, and how large a part is it?"""

from __future__ import annotations

MEANING = {
    "created": "new profiles",
    "updated": "profiles changed",
    "unchanged": "already as the file says",
    "duplicate": "folded into another row",
    "skipped": "left out by a rule",
    "review": "a person has to decide",
    "rejected": "Square would refuse them",
    "failed": "Square refused them",
    "unknown": "sent, result not known yet",
    "pending": "not attempted",
}
# What the outcomes of an undo say of the customers that its run wrote to.
UNDONE = {
    "updated": "put back as before the run",
    "deleted": "created by the run, and deleted",
    "unchanged": "nothing (more) to take back",
    "conflict": "changed since: left as they are",
    "failed": "Square refused to take it back",
    "unknown": "sent, result not known yet",
    "pending": "not attempted",
}


def share(part: int, whole: int) -> str:
    """Return a share in percent; what is there at all is not called nothing, nor nearly all all."""
    percent = 100 * part / max(whole, 1)
    if 0 < percent < 0.1:
        return "<0.1%"
    if 99.9 < percent < 100:
        return ">99.9%"
    return f"{percent:.1f}%" if percent % 100 else f"{percent:.0f}%"
