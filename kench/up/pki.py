"""The demo's people: officers who sign its orders, participants-to-be, ready .p12 files of all.

They live in DATA/run/pki, for the owner of the folder alone, and exist so that the embedded node's
worthless coins follow orders, and people enter the cabinet, by the very way that real ones do:
bytes signed, and checked. A pool on other people's nodes never makes or trusts them.
"""

from dataclasses import dataclass
from pathlib import Path

from kench.pki.authority import CRL_FILE, ROOT_FILE, ROOT_KEY_FILE, Authority, make_authority
from kench.pki.people import PASSWORD, Duty, Holder, Kind
from kench.pool.clock import Clock

__all__ = ["CRL_FILE", "PASSWORD", "ROOT_FILE", "DemoPki", "demo_pki", "ready_people"]

_OFFICERS = (
    ("Demo Officer One", "10101190000001", "officer-one"),
    ("Demo Officer Two", "20101190000002", "officer-two"),
)
_PARTICIPANTS = (
    ("Demo Participant One", "20503198500011", "participant-one-rsa", Kind.RSA),
    ("Demo Participant Two", "11407199000022", "participant-two-rsa", Kind.RSA),
    ("Demo Participant Three", "22911197800033", "participant-three-ec", Kind.EC),
)


@dataclass(frozen=True, slots=True)
class DemoPki:
    """The demo's authority, by its files."""

    authority: Authority

    @property
    def folder(self) -> Path:
        """Where they are."""
        return self.authority.folder

    @property
    def officers(self) -> tuple[Holder, Holder]:
        """The two who sign; in a folder that an earlier version made, files have their numbers."""
        one, two = (
            Holder(
                self.folder,
                stem if (self.folder / f"{stem}.key").exists() else pin,
                name,
                pin,
            )
            for name, pin, stem in _OFFICERS
        )
        return one, two


def demo_pki(folder: Path, clock: Clock) -> DemoPki:
    """Return the demo's authority in a folder of its own, made with its officers where missing."""
    fresh = not (folder / CRL_FILE).exists()
    authority = make_authority(folder, clock)
    if fresh or (folder / ROOT_KEY_FILE).exists():
        _certify(authority, [(*one, Kind.EC) for one in _OFFICERS], Duty.OFFICER)
    return DemoPki(authority)


def ready_people(pki: DemoPki) -> bool:
    """See that there are .p12 files to enter the cabinet with.

    False in a folder of earlier versions, which kept no key to certify anybody with.
    """
    if not (pki.folder / ROOT_KEY_FILE).exists():
        return False
    _certify(pki.authority, _PARTICIPANTS, Duty.PARTICIPANT)
    return True


def _certify(authority: Authority, people: "tuple[_Plan, ...] | list[_Plan]", duty: Duty) -> None:
    there = {one.pin for one in authority.issued()}
    for name, pin, stem, kind in people:
        if pin not in there:
            authority.issue(name, pin, kind=kind, duty=duty, stem=stem)


_Plan = tuple[str, str, str, Kind]
