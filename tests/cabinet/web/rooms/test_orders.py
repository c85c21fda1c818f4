"""The desk's room of orders, as two officers use it: drafted, looked at, signed, accepted."""

import json
import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.web.rooms import orders
from kench.pool.clock import ManualClock
from kench.pool.database import open_engine
from tests.support.cabinet import Client, cabinet_of, client_in
from tests.support.fake_nodes import HealthyNode
from tests.support.orders import DEMO_RULES, content_of
from tests.support.registration import NOW_US, signed_in, verifier_at
from tests.support.signing import SECOND_US
from tests.support.two_officers import FINANCE, HEAD, INSPECTOR, put_officers

DAY_US = 86_400 * SECOND_US
TIP = 100
FIRST = content_of(1, DEMO_RULES, height=TIP + 50, moment_us=NOW_US + DAY_US)


@pytest.fixture(scope="module")
def cabinet(module_database: str) -> Iterator[Cabinet]:
    engine = open_engine(module_database, application_name="test")
    with engine.begin() as db:
        put_officers(db)
    engine.dispose()
    clock = ManualClock(NOW_US)
    with (
        HealthyNode(height=TIP) as node,
        cabinet_of(
            module_database, clock=clock, verifier=verifier_at(), node_urls=[node.url]
        ) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def officers(cabinet: Cabinet) -> dict[str, Client]:
    """Browsers of officers who have entered."""
    return {pin: client_in(cabinet, pin) for pin in (FINANCE, HEAD)}


def form_of(client: Client, path: str) -> dict[str, str]:
    """What the fields of a form hold, as a browser would send them."""
    page = client.get(path).text
    fields = dict(re.findall(r'<input type="(?:text|date|datetime-local)" id="[^"]*" '
                             r'name="([^"]+)" value="([^"]*)"', page))  # fmt: skip
    fields |= dict(re.findall(r'<input type="hidden" name="(version)" value="([^"]*)"', page))
    fields |= dict(re.findall(r'<input type="checkbox" name="([^"]+)" value="(1)" checked', page))
    for name, options in re.findall(r'<select id="[^"]*" name="([^"]+)">(.*?)</select>', page):
        chosen = re.search(r'value="([^"]*)" selected', options)
        fields[name] = chosen[1] if chosen else re.findall(r'value="([^"]*)"', options)[0]
    return fields


def shown_digest(page: str) -> str:
    found = re.search(r'name="sha256" value="([0-9a-f]{64})"', page)
    assert found
    return found[1]


def signed_at(client: Client, path: str, pin: str) -> str:
    """Sign what a page shows; return where it leads."""
    asked = client.post_form(f"{path}/sign", sha256=shown_digest(client.get(path).text))
    assert asked.status_code == 303, asked.text
    return signed_in(client, asked.headers["location"], pin)


def drafted(client: Client, **fields: str) -> str:
    kept = client.post_form("/desk/orders/new", **fields)
    assert kept.status_code == 303, re.findall(r'id="gaps".*?</div>', kept.text, re.DOTALL)
    return kept.headers["location"].partition("?")[0]


def test_two_officers_draft_and_sign_two_orders(
    cabinet: Cabinet, officers: dict[str, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    finance, head = officers[FINANCE], officers[HEAD]
    path = drafted(finance, do="json", json=json.dumps(FIRST))
    page = finance.get(path).text
    assert "Whom blocks pay" in page
    assert "would refuse" not in page
    assert signed_at(finance, path, FINANCE).startswith("/desk/orders/1?said=order_signed")
    assert "1 of 2 signatures" in head.get("/desk/orders").text
    assert signed_at(head, "/desk/orders/1", HEAD).startswith("/desk/orders/1?said=order_accepted")
    cabinet.orders.look()
    assert cabinet.orders.book.newest == 1
    assert finance.get("/desk/orders/1/order.json").json() == FIRST
    with cabinet.engine.connect() as db:
        kept = set(db.scalars(sa.text("SELECT signature FROM order_signatures")))
    found = {finance.get(f"/desk/orders/1/documents/{turn}").content for turn in (1, 2)}
    assert found == {bytes(one) for one in kept}
    # The second one by its form: what is set already stands in it.
    fields = form_of(head, "/desk/orders/new")
    assert fields["fee-pool_ppm"] == "2"
    assert fields["licences-0-until"] == "2027-12-31"
    fields |= {"title": "Fee", "has_fee": "1", "fee-pool_ppm": "1,5", "height": str(TIP + 60)}
    path = drafted(head, **fields, do="form")
    page = head.get(path).text
    assert re.search(r">2%<.*?>1\.5%", page, re.DOTALL)
    fields = form_of(head, f"{path}/edit") | {"height": str(TIP + 70)}
    changed = head.post_form(path, sha256="")
    assert changed.status_code == 405
    stale = shown_digest(page)
    assert head.post_form(f"{path}/edit", **fields, do="form").status_code == 303
    # Who had the form open before is told, and keeps what was typed.
    again = finance.post_form(f"{path}/edit", **fields | {"title": "Otherwise"}, do="form")
    assert again.status_code == 422
    assert "has changed this draft meanwhile" in again.text
    assert 'value="Otherwise"' in again.text
    answer = head.post_form(f"{path}/sign", sha256=stale)
    assert answer.headers["location"].endswith("?said=draft_changed")
    signed_at(head, path, HEAD)
    signed_at(finance, "/desk/orders/2", FINANCE)
    cabinet.orders.look()
    document = cabinet.orders.book.documents[1]
    assert (document.height, document.rules.fee.pool_ppm) == (TIP + 70, 15_000)  # type: ignore[union-attr]
    assert head.get("/desk/orders/2").status_code == 200
    monkeypatch.setattr(orders, "SHOWN", 1)
    for path, listed in (("/desk/orders", "2"), ("/desk/orders?before=2", "1")):
        page = head.get(path).text.partition('id="all"')[2]
        assert re.findall(r'<td[^>]*><a href="/desk/orders/(\d)">', page) == [listed]
        assert ("before=2#all" in page) == (listed == "2")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("[]", "JSON object"),
        ('{"title": "x"}', "in the form"),
        (json.dumps(FIRST | {"issued": "2026-13-01"}), "must be a day"),
        (json.dumps(FIRST | {"title": "a\u202eb"}), "nobody can see"),
        ('{"title": "x", "title": "y"}', "stands twice"),
    ],
)
def test_what_is_no_order_is_not_kept_and_the_reason_is_said(
    officers: dict[str, Client], given: str, why: str
) -> None:
    answer = officers[FINANCE].post_form("/desk/orders/new", do="json", json=given)
    assert answer.status_code == 422
    assert why in answer.text


def test_a_form_says_which_field_is_no_number(officers: dict[str, Client]) -> None:
    officer = officers[FINANCE]
    fields = form_of(officer, "/desk/orders/new") | {
        "title": "x", "has_payout": "1", "payout-threshold_tyiyn": "1.234", "moment": "soon",
    }  # fmt: skip
    answer = officer.post_form("/desk/orders/new", **fields, do="form")
    assert answer.status_code == 422
    assert 'href="#payout-threshold_tyiyn"' in answer.text
    assert 'href="#moment"' in answer.text


def test_a_draft_is_put_aside_and_an_inspector_finds_none_of_it(
    cabinet: Cabinet, officers: dict[str, Client]
) -> None:
    officer = officers[FINANCE]
    path = drafted(officer, do="json", json=json.dumps(FIRST))
    assert "would refuse" in officer.get(path).text or cabinet.orders.book.newest == 0
    inspector = client_in(cabinet, INSPECTOR)
    for closed in ("/desk/orders", path, f"{path}/edit"):
        assert inspector.get(closed).status_code == 403
    assert inspector.post_form(f"{path}/drop").status_code == 403
    assert officer.post_form(f"{path}/drop").status_code == 303
    assert officer.get(path).status_code == 404
    assert officer.post_form(f"{path}/drop").headers["location"].endswith("said=draft_gone")
