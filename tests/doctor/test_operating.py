"""Root asks as the services do."""

import os
import pwd
from pathlib import Path

import pytest

from kench.doctor.operating import acting_as_operator, given_nodes


def test_root_acts_as_the_account_and_is_itself_again() -> None:
    if os.geteuid() != 0:
        pytest.skip("another account than root acts as itself")
    nobody = pwd.getpwnam("nobody")
    with acting_as_operator("nobody"):
        assert (os.geteuid(), os.getegid()) == (nobody.pw_uid, nobody.pw_gid)
    assert (os.geteuid(), os.getegid()) == (0, 0)


def test_without_that_account_one_stays_who_one_is() -> None:
    before = os.geteuid()
    with acting_as_operator("no-such-account"):
        assert os.geteuid() == before


def test_nodes_are_those_that_stratum_is_handed(tmp_path: Path) -> None:
    path = tmp_path / "node_urls"
    assert given_nodes(path) == []
    path.touch(0o600)
    path.write_text("http://u:p@a:8332 http://u:p@b:8332\n")
    assert given_nodes(path) == ["http://u:p@a:8332", "http://u:p@b:8332"]
