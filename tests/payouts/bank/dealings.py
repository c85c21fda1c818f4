"""A bank for tests: it does each payment once, and tells of it as often and as late as it likes."""

from kench.payouts.bank.xml import read_xml
from tests.payouts.bank.files import BatchLine, Line


class Bank:
    """A bank that does each payment once, and tells of it as often and as late as it likes."""

    def __init__(self) -> None:
        self.ordered: dict[str, int] = {}
        self.known: set[str] = set()
        self.paid: dict[str, int] = {}
        self.returned: set[str] = set()
        self.told: list[tuple[str, Line | BatchLine]] = []

    def order(self, document: bytes) -> None:
        """Take a file; what it was ordered before it takes no second time, whatever it decided."""
        _, root = read_xml(document)
        for node in root.all("CstmrCdtTrfInitn/PmtInf/CdtTrfTxInf"):
            tyiyn = int(node.said("Amt/InstdAmt").replace(".", ""))
            id_ = node.said("PmtId/EndToEndId")
            if id_ not in self.known:
                self.known.add(id_)
                self.ordered[id_] = tyiyn

    def decide(self, id_: str, *, reject: bool) -> None:
        tyiyn = self.ordered.pop(id_)
        if reject:
            self.told.append(("pain.002", Line("0", end_to_end_id=id_)))
            return
        self.paid[id_] = tyiyn
        self._tell(Line(som(tyiyn), "DBIT", id_, f"D{id_}"))

    def book_in_one_sum(self, batch_id: str) -> None:
        """Pay all of a batch that is left, where none of it was paid yet, and name it or not."""
        mine = {id_: tyiyn for id_, tyiyn in self.ordered.items() if id_.startswith(batch_id)}
        if any(id_.startswith(batch_id) for id_ in self.paid):
            return
        for id_ in mine:
            self.paid[id_] = self.ordered.pop(id_)
        self._tell(BatchLine(som(sum(mine.values())), batch_id, f"B{batch_id}"))

    def give_back(self, id_: str) -> None:
        self.returned.add(id_)
        self._tell(Line(som(self.paid[id_]), "CRDT", id_, f"C{id_}", return_reason="AC04"))

    def _tell(self, line: Line | BatchLine) -> None:
        self.told.append(("camt.054", line))

    def kept_by(self, participant_id: int) -> int:
        """Money that a participant has received and kept."""
        return sum(
            tyiyn for id_, tyiyn in self.paid.items()
            if id_ not in self.returned and int(id_.rsplit("-", 1)[1]) == participant_id
        )  # fmt: skip


def som(tyiyn: int) -> str:
    return f"{tyiyn // 100}.{tyiyn % 100:02}"
