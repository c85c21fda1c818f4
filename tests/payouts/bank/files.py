"""Files as a bank writes them, with what a test wants in them."""

from dataclasses import dataclass

ACCOUNT = "1234567890123456"
CAMT = "urn:iso:std:iso:20022:tech:xsd:{kind}.001.{version}"


@dataclass(frozen=True)
class Line:
    """An entry with one payment in it."""

    amount: str
    direction: str = "DBIT"
    end_to_end_id: str = ""
    reference: str = "R1"
    status: str = "BOOK"
    is_reversal: bool = False
    return_reason: str = ""
    currency: str = "KGS"
    counterparty: str = ""

    def xml(self) -> str:
        """Return the entry."""
        party = "DbtrAcct" if self.direction == "CRDT" else "CdtrAcct"
        related = (
            f"<RltdPties><{party}><Id><Othr><Id>{self.counterparty}</Id></Othr></Id></{party}>"
            "</RltdPties>"
            if self.counterparty
            else ""
        )
        returned = (
            f"<RtrInf><Rsn><Cd>{self.return_reason}</Cd></Rsn><AddtlInf>closed</AddtlInf></RtrInf>"
            if self.return_reason
            else ""
        )
        end_to_end = f"<EndToEndId>{self.end_to_end_id}</EndToEndId>" if self.end_to_end_id else ""
        return (
            f'<Ntry><Amt Ccy="{self.currency}">{self.amount}</Amt>'
            f"<CdtDbtInd>{self.direction}</CdtDbtInd>"
            f"<RvslInd>{'true' if self.is_reversal else 'false'}</RvslInd>"
            f"<Sts><Cd>{self.status}</Cd></Sts><BookgDt><Dt>2026-11-23</Dt></BookgDt>"
            f"<AcctSvcrRef>{self.reference}</AcctSvcrRef><NtryDtls><TxDtls>"
            f'<Refs>{end_to_end}</Refs><Amt Ccy="{self.currency}">{self.amount}</Amt>'
            f"<CdtDbtInd>{self.direction}</CdtDbtInd>{related}{returned}"
            "</TxDtls></NtryDtls></Ntry>"
        )


@dataclass(frozen=True)
class BatchLine:
    """An entry for a batch as a whole: by its name, or by its sum alone."""

    amount: str
    batch_id: str = ""
    reference: str = "B1"
    direction: str = "DBIT"
    total: str = ""
    date: str = "2026-11-23"
    named: tuple[str, ...] = ()
    """Payments that it names without their amounts."""

    def xml(self) -> str:
        """Return the entry."""
        total = f'<TtlAmt Ccy="KGS">{self.total}</TtlAmt>' if self.total else ""
        batch = f"<Btch><PmtInfId>{self.batch_id}</PmtInfId>{total}</Btch>"
        named = "".join(
            f"<TxDtls><Refs><EndToEndId>{id_}</EndToEndId></Refs></TxDtls>" for id_ in self.named
        )
        details = f"<NtryDtls>{batch}{named}</NtryDtls>" if self.batch_id else ""
        return (
            f'<Ntry><Amt Ccy="KGS">{self.amount}</Amt><CdtDbtInd>{self.direction}</CdtDbtInd>'
            f"<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{self.date}</Dt></BookgDt>"
            f"<AcctSvcrRef>{self.reference}</AcctSvcrRef>{details}</Ntry>"
        )


def camt(
    *lines: Line | BatchLine | str,
    kind: str = "camt.054",
    version: str = "08",
    account: str = ACCOUNT,
    balances: tuple[str, str] | None = None,
    number: int | None = None,
    date: str = "2026-11-23",
) -> bytes:
    """Return a statement or a notification."""
    outer, inner = {
        "camt.053": ("BkToCstmrStmt", "Stmt"),
        "camt.054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
    }[kind]
    told = "".join(
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="KGS">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{date}</Dt></Dt></Bal>'
        for code, amount in zip(("OPBD", "CLBD"), balances or (), strict=False)
    )
    counted = f"<ElctrncSeqNb>{number}</ElctrncSeqNb>" if number else ""
    entries = "".join(line if isinstance(line, str) else line.xml() for line in lines)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Document xmlns="'
        f'{CAMT.format(kind=kind, version=version)}"><{outer}><GrpHdr><MsgId>M1</MsgId></GrpHdr>'
        f"<{inner}><Id>S{number or 1}</Id>{counted}"
        f"<Acct><Id><Othr><Id>{account}</Id></Othr></Id></Acct>"
        f"{told}{entries}</{inner}></{outer}></Document>"
    ).encode()


def pain002(
    *statuses: tuple[str, str], message_id: str = "KENCH-00000001", group: str = ""
) -> bytes:
    """Return a report with statuses by end-to-end id, and one of the whole message."""
    of_group = f"<GrpSts>{group}</GrpSts>" if group else ""
    ones = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>{id_}</OrgnlEndToEndId><TxSts>{code}</TxSts>"
        "<StsRsnInf><Rsn><Cd>AC04</Cd></Rsn><AddtlInf>closed</AddtlInf></StsRsnInf></TxInfAndSts>"
        for id_, code in statuses
    )
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>'
        "<GrpHdr><MsgId>P1</MsgId></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{message_id}</OrgnlMsgId>{of_group}</OrgnlGrpInfAndSts>"
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{message_id}</OrgnlPmtInfId>{ones}"
        "</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"
    ).encode()
