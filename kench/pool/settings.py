"""Every setting of Kench: read once, checked with its relations, frozen.

Sources, strongest first: flags of the command, `KENCH_...` environment, credentials of systemd's,
a TOML file (`KENCH_CONFIG`, else `kench.toml` in the data folder), defaults. A name that nobody
knows is refused with its nearest neighbour: a mistyped setting that silently does nothing is the
worst kind.
A composition root reads the settings and hands each component its own values, never the whole.
"""

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from kench.pool.backup_settings import BackupSettings
from kench.pool.bank_settings import BankSettings
from kench.pool.cabinet_settings import CabinetSettings
from kench.pool.door_settings import (
    DIFFICULTY_MAX,
    DOORS_MAX,
    Difficulty,
    DoorPlan,
    DoorSettings,
    Network,
    Port,
    SharesPerMinute,
    check_doors,
    meets,
    plan_doors,
    tables_of,
    words_of,
)
from kench.pool.feed_settings import FeedSettings
from kench.pool.income_settings import IncomeSettings
from kench.pool.journal_settings import JournalSettings
from kench.pool.metrics_settings import MetricsSettings
from kench.pool.nats_settings import NatsSettings
from kench.pool.secret_sources import PrivateFile, Source, sources_of
from kench.pool.signature_settings import SignatureSettings
from kench.pool.standby_settings import StandbySettings
from kench.pool.statistics_settings import StatisticsSettings
from kench.pool.tax_settings import TaxSettings
from kench.pool.venue_settings import (
    VENUES_MAX,
    VenueSettings,
    check_url,
    check_venues,
    fault_shares,
)
from kench.pool.wire_settings import NETWORKS, WireSettings, check_wires

CONFIG_NAME = "kench.toml"
"""The TOML file looked for in the data folder."""

FRONT_NUMBER_MAX = 4095
"""A front's number has twelve bits of each extranonce1."""
PROCESSES_MAX = 256
COINBASE_TAG_BYTES_MAX = 32
"""scriptSig may have 100 bytes in all (A7.10): height, extranonces and this tag share them."""

Cost = Annotated[float, Field(gt=0, le=1e9)]


class Settings(
    CabinetSettings,
    SignatureSettings,
    BackupSettings,
    BankSettings,
    StandbySettings,
    NatsSettings,
    FeedSettings,
    JournalSettings,
    TaxSettings,
    IncomeSettings,
    StatisticsSettings,
    WireSettings,
    MetricsSettings,
    BaseSettings,
):
    """The settings of one data folder. Attribute `x` is `KENCH_X`; `data_dir` is `KENCH_DATA`."""

    model_config = SettingsConfigDict(
        env_prefix="KENCH_",
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    data_dir: Path = Field(Path("data"), validation_alias=AliasChoices("KENCH_DATA"))
    """Folder of everything that Kench keeps: journal, blocks, logs, embedded database and node."""
    instance: Annotated[int, Field(ge=0, le=FRONT_NUMBER_MAX)] = 0
    """Number of the first front of this machine; the journal of front n is `journal/<n>`. Machines
    of one pool need numbers twice as far apart as they have processes: a reload has two
    generations alive."""
    stratum_processes: Annotated[int, Field(ge=0, le=PROCESSES_MAX)] = 0
    """Processes that serve miners, beside the one that makes their jobs; 0 takes one for each core
    but one, at least one."""
    network: str | None = None
    """Network that the nodes must be on: main, test, testnet4, signet, regtest. Unset: the one
    that the first node names."""

    stratum_host: str = "127.0.0.1"
    """Addresses that miners connect to, apart by blanks; `::` takes IPv4 too."""
    stratum_port: Port = 3333
    """Port that miners connect to; 0 takes any free one."""
    proxy_from: Annotated[tuple[Network, ...], NoDecode] = ()
    """Proxies in front of `stratum_port` (CIDR, such as `10.0.0.5/32`): a PROXY header, version 1
    or 2, is required from these addresses and refused from all others."""
    doors: Annotated[tuple[DoorSettings, ...], NoDecode, Field(max_length=DOORS_MAX)] = ()
    """Further ports for miners, each with a policy of its own: see below."""
    tls_certificate: Path | None = None
    """Certificate of doors with `tls`, PEM, its chain behind it. Read again when it changes."""
    tls_key: PrivateFile | None = None
    """Its private key, PEM, without a password. Read again when it changes."""
    tls_handshake_s: Annotated[float, Field(gt=0, le=300)] = 10.0
    """A peer that has not sent its PROXY header and ended its TLS handshake after this many
    seconds is closed."""
    metrics_host: str = "127.0.0.1"
    """Address of `/metrics`, `/healthz` and `/status`."""
    metrics_port: Port = 9333
    """Port of `/metrics`, `/healthz` and `/status`; 0 takes any free one."""
    connections_max: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    """Miners' connections at once; further ones are closed at accept."""
    workers_per_connection: Annotated[int, Field(ge=1, le=65_536)] = 1024
    """Workers authorised on one connection (proxies bring many)."""
    workers_per_participant: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Workers that one participant may have in the register."""
    login_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """A connection without an authorised worker is closed after this many seconds."""
    send_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """A peer that takes nothing of what is sent to it for this many seconds is closed."""
    max_line_bytes: Annotated[int, Field(ge=1024, le=1_048_576)] = 16_384
    """Longest line that a miner may send, in bytes."""

    cost_half_life_s: Annotated[float, Field(ge=1, le=86_400)] = 60.0
    """What a session or an address did wrong (bad lines, refused logins, wrong shares ...) adds to
    its cost, which halves in this many seconds."""
    session_cost_soft: Cost = 100.0
    """A session that costs so much is read from more slowly."""
    session_cost_hard: Cost = 500.0
    """A session that costs so much is cut off."""
    address_cost_soft: Cost = 400.0
    """New connections of an address (IPv4 address, IPv6 /64) that costs so much wait. It and the
    next one are as many times higher as the address has sixteen authorised sessions."""
    address_cost_hard: Cost = 2000.0
    """An address that costs so much is banned: connections it has may stay while they mine, new
    ones are refused."""
    ban_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """A ban ends after this many seconds; after twice as many each time that it follows soon."""
    ban_max_s: Annotated[float, Field(gt=0, le=604_800)] = 3600.0
    """No ban is longer, in seconds."""
    cost_exempt: Annotated[tuple[Network, ...], NoDecode] = ()
    """Networks whose addresses pay for nothing, such as `192.0.2.0/24 2001:db8::/32`."""
    logins_per_s: Annotated[float, Field(ge=1, le=1_000_000)] = 50_000.0
    """Steps of logins, two or three each, that a front takes in a second; the rest wait."""

    drain_s: Annotated[float, Field(ge=0, le=3600)] = 60.0
    """At `kench reload` the old front ends let go of their connections within this many seconds,
    a few at a time."""

    start_difficulty: Difficulty = 65_536.0
    """Difficulty of a new connection until its rate is known."""
    min_difficulty: Difficulty = 2.5e-10
    """Floor of the difficulty of any connection; at the default nearly every hash is a share."""
    max_difficulty: Difficulty = DIFFICULTY_MAX
    """Ceiling of the difficulty of any connection; the network's is a ceiling always."""
    shares_per_minute: SharesPerMinute = 12.0
    """Shares a minute that the difficulty of a connection is steered to."""
    job_refresh_s: Annotated[float, Field(ge=1, le=55)] = 25.0
    """A job of the same tip is sent anew after this many seconds (miners leave after 60)."""
    stale_grace_ms: Annotated[int, Field(ge=0, le=60_000)] = 0
    """Shares of the previous tip are still credited for this many milliseconds."""

    node_urls: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Bitcoin Core nodes, `http://user:password@host:port` or `http://host:port?cookie=/path`;
    several are a failover list. Unset: the embedded regtest node."""
    node_zmq: Annotated[tuple[str, ...], NoDecode] = ()
    """`tcp://host:port` where the nodes publish `hashblock`, in the order of `node_urls`."""
    node_poll_s: Annotated[float, Field(ge=0.1, le=60)] = 1.0
    """Seconds between two questions for a node's tip and health."""
    node_stale_serve_s: Annotated[float, Field(ge=0, le=86_400)] = 120.0
    """With no usable node, jobs already made are still served for this many seconds."""
    block_difficulty: Annotated[float, Field(ge=0, le=DIFFICULTY_MAX)] = 0.005
    """Embedded node only: its templates ask for blocks at least this difficult; 0 takes the
    network's own difficulty. `kench up` measures the machine when this is not set, so that one
    core finds a block in about 1.5 seconds."""

    coinbase_tag: str = "/kench/"
    """Text in the coinbase of every block, ASCII, at most 32 bytes."""
    maturity_confirmations: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Confirmations after which a block's reward is posted."""

    screening_url: str | None = None
    """`https://host` of the AML/KYT provider that orders name; coins are held until it answers.
    Without TLS only on this machine."""
    screening_key_id: str | None = None
    """Name of our key at that provider."""
    screening_secret: SecretStr | None = None
    """Secret by which requests to it are signed."""
    screening_timeout_s: Annotated[float, Field(gt=0, le=120)] = 10.0
    """A request to it is given up after this many seconds."""

    database_url: SecretStr | None = None
    """`postgresql://user:password@host:port/name` of a PostgreSQL 15 or later; a primary and its
    replicas as `postgresql://user@a:5432,b:5432/name`. Unset: the embedded one."""
    lease_s: Annotated[float, Field(ge=2, le=120)] = 10.0
    """Of processes that stand by for one work (`settle`, `sell`, and what one cabinet or `tax`
    does for all), the next takes over from one that says nothing for so many seconds."""

    journal_segment_bytes: Annotated[int, Field(ge=4096, le=2**40)] = 64 * 1024 * 1024
    """A journal segment is closed when it reaches this size, in bytes."""
    journal_segment_s: Annotated[float, Field(ge=1, le=86_400)] = 3600.0
    """A journal segment is closed at this age, in seconds."""
    journal_buffer_records: Annotated[int, Field(ge=64, le=2**24)] = 65_536
    """Shares that may wait for the disk; when full, new ones are refused as overloaded."""

    venues: Annotated[tuple[VenueSettings, ...], NoDecode, Field(max_length=VENUES_MAX)] = ()
    """Venues that coins are sold on: see below. Unset: `kench up` sells on its own paper venue
    where its own regtest node runs."""

    venue_host: str = "127.0.0.1"
    """Paper venue (`kench venue`): address that it listens on."""
    venue_port: Port = 9335
    """Paper venue: its port; 0 takes any free one."""
    venue_key_file: PrivateFile | None = None
    """Paper venue: private file with the key that may trade. Unset: `DATA/venue/key.json`, made
    when there is none."""
    venue_address: str | None = None
    """Paper venue: its deposit address. Unset: on regtest, one that nobody can spend from."""
    venue_confirmations: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Paper venue: confirmations after which a deposit is credited; coinbases need 100 at least."""
    venue_price_kgs: Annotated[int, Field(ge=1000, le=10**12)] = 8_000_000
    """Paper venue: the price of a bitcoin in KGS that its market wanders around."""
    venue_level_sat: Annotated[int, Field(ge=100_000, le=10**12)] = 1_000_000_000
    """Paper venue: the most that one price of its book takes, in satoshi."""
    venue_fee_ppm: Annotated[int, Field(ge=0, le=100_000)] = 1_500
    """Paper venue: what it takes of each sale, in parts per million."""
    venue_draw: str = "kench"
    """Paper venue: what its prices and faults are drawn from."""
    venue_latency_ms: Annotated[int, Field(ge=0, le=60_000)] = 20
    """Paper venue: every answer takes at least so long."""
    venue_requests_per_s: Annotated[float, Field(gt=0, le=1_000_000)] = 50.0
    """Paper venue: requests a second that it takes; others are told when to come again."""
    venue_window_s: Annotated[int, Field(ge=1, le=600)] = 10
    """Paper venue: a request signed longer ago is refused."""
    venue_faults: Annotated[tuple[str, ...], NoDecode] = ()
    """Paper venue: what it does wrong and how often, such as `lost-answer=0.01 reject=0.02`; also
    `partial`, `defer`, `lost-question`, `late-answer`, `garbled`, `unavailable`."""

    evidence_key: PrivateFile | None = None
    """Ed25519 key, PEM, mode 600, that signs what each block paid ([proofs.md](proofs.md)); no coin
    depends on it. Unset: `DATA/evidence.pem`, made by `kench settle` where there is none."""

    cpu_miner: bool = True
    """`kench up` also runs a CPU miner, logged in as the demo participant."""
    cpu_miner_threads: Annotated[int, Field(ge=1, le=1024)] = 1
    """Threads of that CPU miner."""

    @field_validator(
        *("node_urls", "node_zmq", "proxy_from", "cost_exempt", "venue_faults"),
        mode="before",
    )
    @classmethod
    def _split_words(cls, value: object) -> object:
        """One string of the environment holds several values, apart by blanks or commas."""
        return words_of(value)

    @field_validator("doors", mode="before")
    @classmethod
    def _read_doors(cls, value: object) -> object:
        return tables_of(value, "doors", '{"name": "high", "port": 3334}')

    @field_validator("venues", mode="before")
    @classmethod
    def _read_venues(cls, value: object) -> object:
        return tables_of(value, "venues", '{"name": "paper", "kind": "paper", ...}')

    @field_validator("venues")
    @classmethod
    def _check_venues(cls, value: tuple[VenueSettings, ...]) -> tuple[VenueSettings, ...]:
        return check_venues(value)

    @field_validator("screening_url")
    @classmethod
    def _check_screening_url(cls, value: str | None) -> str | None:
        return value and check_url(value, "screening_secret")

    @field_validator("venue_faults")
    @classmethod
    def _check_venue_faults(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        fault_shares(value)
        return value

    @field_validator("node_urls")
    @classmethod
    def _check_node_urls(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(url.get_secret_value().startswith(("http://", "https://")) for url in value):
            raise ValueError("each must look like http://user:password@host:port")
        return value

    @field_validator("node_zmq")
    @classmethod
    def _check_node_zmq(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(endpoint.startswith(("tcp://", "ipc://")) for endpoint in value):
            raise ValueError("each must look like tcp://host:port")
        return value

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(
            ("postgresql://", "postgres://", "postgresql+psycopg2://")
        ):
            raise ValueError("must look like postgresql://user:password@host:port/name")
        return value

    @field_validator("network")
    @classmethod
    def _check_network(cls, value: str | None) -> str | None:
        if value is not None and value not in NETWORKS:
            raise ValueError(f"must be one of {', '.join(NETWORKS)}")
        return value

    @field_validator("coinbase_tag")
    @classmethod
    def _check_coinbase_tag(cls, value: str) -> str:
        if not value.isascii() or not value.isprintable() or len(value) > COINBASE_TAG_BYTES_MAX:
            raise ValueError(f"must be printable ASCII of at most {COINBASE_TAG_BYTES_MAX} bytes")
        return value

    @field_validator("data_dir", "tls_certificate")
    @classmethod
    def _resolve_path(cls, value: Path | None) -> Path | None:
        return value and value.expanduser().resolve()

    @model_validator(mode="after")
    def _check_relations(self) -> Self:
        if not self.min_difficulty <= self.start_difficulty <= self.max_difficulty:
            raise ValueError(
                "min_difficulty <= start_difficulty <= max_difficulty must hold, but they are "
                f"{self.min_difficulty:g}, {self.start_difficulty:g}, {self.max_difficulty:g}"
            )
        for whose in ("session", "address"):
            soft, hard = (getattr(self, f"{whose}_cost_{name}") for name in ("soft", "hard"))
            if soft > hard:
                raise ValueError(f"{whose}_cost_soft <= {whose}_cost_hard must hold")
        if self.ban_s > self.ban_max_s:
            raise ValueError("ban_s <= ban_max_s must hold")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        plans = self.all_doors
        check_doors(plans, certificate=self.tls_certificate is not None)
        for plan in plans:
            if (
                plan.port
                and plan.port == self.metrics_port
                and meets(plan.hosts, (self.metrics_host,))
            ):
                name = "stratum_port" if plan is plans[0] else f"the port of door {plan.name}"
                raise ValueError(f"{name} and metrics_port must differ")
        if self.instance + 2 * self.stratum_processes - 1 > FRONT_NUMBER_MAX:
            raise ValueError(
                f"instance + 2 * stratum_processes may be {FRONT_NUMBER_MAX + 1} at most"
            )
        if len(self.node_zmq) > max(1, len(self.node_urls)):
            raise ValueError("node_zmq has more entries than node_urls")
        check_wires(self)
        return self

    @model_validator(mode="after")
    def _check_job_source(self) -> Self:
        if self.job_source == "nats" and not self.nats_urls:
            raise ValueError("job_source nats needs nats_urls")
        return self

    @property
    def all_doors(self) -> tuple[DoorPlan, ...]:
        """Every door that miners come in by, that of `stratum_port` first."""
        return plan_doors(self, self.doors)

    @property
    def journal_directory(self) -> Path:
        """`DATA/journal/<instance>`: segments and jobs of this front end."""
        return self.data_dir / "journal" / str(self.instance)

    @property
    def blocks_directory(self) -> Path:
        """`DATA/blocks`: a folder for each front; every found block is there before it is sent."""
        return self.data_dir / "blocks"

    @property
    def bodies_directory(self) -> Path:
        """`DATA/run/bodies`: the transactions of the templates that are mined on."""
        return self.run_directory / "bodies"

    @property
    def bank_directory(self) -> Path:
        """`DATA/bank`: files for the bank in `out`."""
        return self.data_dir / "bank"

    @property
    def node_directory(self) -> Path:
        """`DATA/node`: chain and cookie of the embedded node."""
        return self.data_dir / "node"

    @property
    def venue_directory(self) -> Path:
        """`DATA/venue`: what the paper venue remembers, and its key."""
        return self.data_dir / "venue"

    @property
    def own_evidence_key(self) -> Path:
        """`DATA/evidence.pem`: the evidence key where none is set."""
        return self.data_dir / "evidence.pem"

    @property
    def venue_key_path(self) -> Path:
        """Where the key of the paper venue is."""
        return self.venue_key_file or self.venue_directory / "key.json"

    @property
    def log_directory(self) -> Path:
        """`DATA/logs`: one file for each role that `kench up` runs."""
        return self.data_dir / "logs"

    @property
    def run_directory(self) -> Path:
        """`DATA/run`: lock, ports and the demo participant's token, while `kench up` runs."""
        return self.data_dir / "run"

    @property
    def secrets_directory(self) -> Path:
        """`DATA/run/secrets`: secrets that `kench up` tells its parts, a file each."""
        return self.run_directory / "secrets"

    @property
    def demo_pki_directory(self) -> Path:
        """`DATA/run/pki`: the demo's authority and officers, where `kench up` made them."""
        return self.run_directory / "pki"

    @property
    def lists_directory(self) -> Path:
        """`DATA/lists`: revocation lists as they were fetched last."""
        return self.data_dir / "lists"

    @classmethod
    def settings_customise_sources(  # type: ignore[override]  # pydantic calls them, no more
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no .env files: one file is enough
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - see secret_sources
    ) -> tuple[Source, ...]:
        """Flags, environment, credentials, the TOML file of the data folder that those name."""
        flags = init_settings()
        data_dir = flags.get("data_dir") or flags.get("KENCH_DATA") or os.environ.get("KENCH_DATA")
        path = Path(os.environ.get("KENCH_CONFIG") or Path(data_dir or "data") / CONFIG_NAME)
        file = TomlConfigSettingsSource(settings_cls, toml_file=path)
        return sources_of(settings_cls, init_settings, env_settings, file, path)
