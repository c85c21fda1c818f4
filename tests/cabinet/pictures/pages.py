"""Every page of the cabinet that there is a picture of: where it is, who looks, what it is for."""

from typing import NamedTuple

from tests.cabinet.money import TECHNICIAN_PIN
from tests.cabinet.pictures.world import ACCOUNTANT_PIN, NEW_PIN, World
from tests.support.applications import TODAY
from tests.support.pki import PIN
from tests.support.registration import OFFICER_PIN, OTHER_PIN

ANYBODY = ""
NO_PAGES = (
    r"/(healthz|metrics|favicon\.ico)", r"/language/.*", r"/(api|accounts|stats)/.*",
    r".*\.(csv|json|pdf|zip|xlsx|txt|p7s)", r".*\.{form}", r".*/(live|series|content)",
    r".*/documents/{\w+}", r"/enter/sign-on/.*", r"/enter/certificate.*",
)  # fmt: skip
"""Routes that answer a GET with something else than a page: files, numbers, ways to other pages."""


class Picture(NamedTuple):
    """A page as somebody sees it; one route may have several."""

    name: str
    route: str
    """The path as the code has it."""
    title: str
    pin: str = PIN
    query: str = ""
    participant: int = 1
    number: int = 1

    def path(self, world: World, request_id: str = "") -> str:
        """Return the address that is looked at."""
        path = self.route.format(
            participant_id=self.participant, number=self.number, request_id=request_id,
            kind="equipment", vout=1, day=TODAY, period="2026-10",
            doc_ref="KG-2026-10-1-2026-10-03-1", **world._asdict(),
        )  # fmt: skip
        return path + self.query


class Room(NamedTuple):
    """Pictures that belong together."""

    title: str
    pictures: tuple[Picture, ...]


_P = "/p/{participant_id}"
_DRAFT = "/desk/orders/drafts/{number}"
_DESK = "/desk/participants/{number}"
_BLOCK = _P + "/blocks/{block_hash}"

GALLERY = (
    Room("The way in", (
        Picture("front", "/", "What this is, and what the pool does", ANYBODY),
        Picture("enter", "/enter", "What is needed to enter", ANYBODY),
        Picture("sign", "/sign/{request_id}", "The exact text, the ways to sign it", ANYBODY),
        Picture("mail", "/mail/{mail_key}", "Whether letters may come to an address", ANYBODY),
        Picture("account", "/account", "A person's logins and acts"),
        Picture("data", "/account/data", "A copy of one's data, and forgetting"),
        Picture("privacy", "/privacy", "What is held of people, and why", ANYBODY),
    )),
    Room("The register", (
        Picture("apply", "/apply", "An application, and what it lacks", query="?check=1"),
        Picture("applications", "/applications", "A person's applications"),
        Picture("application", "/applications/{number}", "One, and what became of it"),
        Picture("venues", "/venues", "Where coins are sold, and by which licence", ANYBODY),
        Picture("register", "/register", "The public part of the register", ANYBODY),
    )),
    Room("Mining", (
        Picture("participants", "/p", "For whom a person acts", ACCOUNTANT_PIN),
        Picture("dashboard", _P + "/", "Hashrate, workers, shares, earnings: moves by itself"),
        Picture("dashboard-week", _P + "/", "For a technician, a week", TECHNICIAN_PIN, "?span=7d"),
        Picture("dashboard-begin", _P + "/", "Before the first share", NEW_PIN, participant=3),
        Picture("workers", _P + "/workers", "Workers, searched, sorted, in groups"),
        Picture("worker", _P + "/workers/{worker_id}", "Its chart, its shares with reasons"),
        Picture("equipment", _P + "/equipment", "What is declared against what is measured"),
        Picture("connection", _P + "/connection", "How machines are connected"),
        Picture("tokens", _P + "/tokens", "Tokens of machines, each revoked by itself"),
        Picture("token-revoke", _P + "/tokens/{token_id}/revoke", "What ends with a token"),
        Picture("alerts", _P + "/alerts", "What is told, where to, and when not"),
        Picture("watch", "/watch/{secret}", "What a watcher sees by a link", ANYBODY),
    )),
    Room("Money", (
        Picture("earnings", _P + "/earnings", "From the block to the bank account"),
        Picture("block", _BLOCK, "A block: work, proof, sale, payout"),
        Picture("proof", _BLOCK + "/proof", "The proof of a block, checked"),
        Picture("payouts", _P + "/payouts", "Transfers to the bank account"),
        Picture("statements", _P + "/statements", "Statements: PDF/A, XLSX, CSV, JSON"),
    )),
    Room("A participant and the authorised body", (
        Picture("notices", _P + "/notices", "Notices and their terms"),
        Picture("notice-equipment", _P + "/notices/new/{kind}", "A new notice"),
        Picture("messages", _P + "/messages", "What officers write to this participant"),
        Picture("message", _P + "/messages/{number}", "A message, and the answer", number=2),
        Picture("circular", _P + "/messages/circulars/{number}", "A circular"),
        Picture("decisions", _P + "/decisions", "Decisions on this participant", OTHER_PIN,
                participant=2),
        Picture("decision", _P + "/decisions/{number}", "A decision, and what becomes of the money",
                OTHER_PIN, participant=2),
        Picture("inspections", _P + "/inspections", "What came of inspections"),
        Picture("own-entry", _P + "/register", "What the register says, and its extracts"),
        Picture("reports", _P + "/reports", "What is due until when, what was filed"),
        Picture("report", _P + "/reports/{number}", "A month to be completed and signed", number=4),
        Picture("report-filed", _P + "/reports/{number}", "Statements of a quarter, as filed",
                number=7),
        Picture("income", _P + "/income", "Income as the tax service is told of it"),
        Picture("dossier", _P + "/dossier", "All that was signed, as one file"),
        Picture("openings", _P + "/openings", "Which officers opened its papers"),
        Picture("people", _P + "/people", "Owner, accountant, technician"),
        Picture("access", _P + "/access", "Links for watchers, keys for programs"),
    )),
    Room("The officers' desk", (
        Picture("desk", "/desk", "What waits, and until when", OFFICER_PIN),
        Picture("desk-applications", "/desk/applications", "All that wait", OFFICER_PIN),
        Picture("desk-notices", "/desk/notices", "All notices that wait", OFFICER_PIN),
        Picture("desk-closed", "/desk/closed", "What was decided or withdrawn", OFFICER_PIN),
        Picture("desk-application", "/desk/applications/{number}", "An application, to be decided",
                OFFICER_PIN, number=4),
        Picture("desk-notice", "/desk/notices/{number}", "A notice", OFFICER_PIN),
        Picture("desk-participant", _DESK, "A participant", OFFICER_PIN),
        Picture("desk-register", "/desk/register", "The Electronic Register", OFFICER_PIN),
        Picture("desk-inspections", "/desk/inspections", "Whom to inspect, and why", OFFICER_PIN),
        Picture("desk-inspection", "/desk/inspections/{number}", "Its checklist", OFFICER_PIN,
                number=2),
        Picture("desk-country", "/desk/country", "The country, by region and month", OFFICER_PIN),
        Picture("desk-requests", "/desk/register/requests", "Extracts that are asked for",
                OFFICER_PIN),
        Picture("desk-entry", "/desk/register/{number}", "An entry and its history", OFFICER_PIN),
        Picture("desk-reports", "/desk/reports", "How the months stand, and their sums",
                OFFICER_PIN),
        Picture("desk-reports-list", "/desk/reports/list", "Reports of a month", OFFICER_PIN),
        Picture("desk-reports-waiting", "/desk/reports/waiting", "To be looked at", OFFICER_PIN),
        Picture("desk-report", "/desk/reports/{number}", "A report, to be decided on", OFFICER_PIN,
                number=5),
        Picture("desk-report-forms", "/desk/reports/forms", "Forms, and a new one", OFFICER_PIN),
        Picture("desk-report-form", "/desk/reports/forms/{number}", "A form as participants see it",
                OFFICER_PIN),
        Picture("desk-income", "/desk/income", "Months of income", OFFICER_PIN),
        Picture("desk-income-period", "/desk/income/{period}", "A month, compared and closed",
                OFFICER_PIN),
        Picture("desk-income-corrections", "/desk/income/{period}/corrections",
                "Corrections of many records", OFFICER_PIN),
        Picture("desk-income-records", "/desk/income/{period}/records", "Its records", OFFICER_PIN),
        Picture("desk-income-record", "/desk/income/records/{doc_ref}", "One record", OFFICER_PIN),
        Picture("desk-messages", _DESK + "/messages", "What was written to it", OFFICER_PIN),
        Picture("desk-suspensions", "/desk/suspensions", "Who is suspended until when",
                OFFICER_PIN),
        Picture("desk-suspension", _DESK + "/suspension", "A suspension, to be decided",
                OFFICER_PIN),
        Picture("desk-decision", "/desk/decisions/{number}", "A decision, and who has opened it",
                OFFICER_PIN),
        Picture("desk-circulars", "/desk/circulars", "Circulars to many", OFFICER_PIN),
        Picture("desk-circular", "/desk/circulars/{number}", "Who has opened one", OFFICER_PIN),
        Picture("desk-message", "/desk/messages/{number}", "Who has opened it", OFFICER_PIN),
        Picture("desk-orders", "/desk/orders", "In force, coming, to be signed", OFFICER_PIN),
        Picture("desk-order", "/desk/orders/{number}", "An order, and who signed it", OFFICER_PIN),
        Picture("desk-order-new", "/desk/orders/new", "The form of an order", OFFICER_PIN),
        Picture("desk-draft", _DRAFT, "A draft against what is in force", OFFICER_PIN),
        Picture("desk-draft-edit", _DRAFT + "/edit", "The form of a draft", OFFICER_PIN),
        Picture("desk-draft-simulation", _DRAFT + "/simulation",
                "What it would have changed in 30 days", OFFICER_PIN),
        Picture("desk-order-simulation", "/desk/orders/{number}/simulation",
                "The same of an order that waits", OFFICER_PIN, number=2),
        Picture("desk-trail", "/desk/trail", "Who did and opened what", OFFICER_PIN),
        Picture("desk-trail-days", "/desk/trail/days", "How far it is signed", OFFICER_PIN),
        Picture("desk-rejections", "/desk/income/rejections", "Records that were not taken",
                OFFICER_PIN),
        Picture("desk-templates", "/desk/templates", "What decisions begin from", OFFICER_PIN),
        Picture("desk-lots", "/desk/lots", "Lots that stand still, AML cases", OFFICER_PIN),
        Picture("desk-lot", "/desk/lots/{block_hash}/{vout}", "The whole way of one", OFFICER_PIN),
        Picture("desk-venues", "/desk/venues", "Venues: licences, sales, books", OFFICER_PIN),
        Picture("desk-template", "/desk/templates/{number}", "A template", OFFICER_PIN, number=2),
        Picture("desk-template-new", "/desk/templates/new", "A new template", OFFICER_PIN),
        Picture("desk-trail-day", "/desk/trail/days/{day}", "A day verified", OFFICER_PIN),
        Picture("desk-officers", "/desk/officers", "Officers and their roles", OFFICER_PIN),
    )),
)  # fmt: skip
PICTURES = tuple(picture for room in GALLERY for picture in room.pictures)
