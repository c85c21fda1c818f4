"""A batch of payouts as pain.001.001.09: the same batch is the same bytes, whenever it is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from pyiso20022.pain import pain_001_001_09 as pain
from xsdata.formats.dataclass.serializers import XmlSerializer
from xsdata.formats.dataclass.serializers.config import SerializerConfig
from xsdata.models.datatype import XmlDate, XmlDateTime

from kench.payouts.bank.account import BankAccount
from kench.payouts.bank.messages import CURRENCY
from kench.pool.moments import BISHKEK

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
ID_MAX = 35
"""Characters of an identification in ISO 20022."""


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment of a batch."""

    end_to_end_id: str
    amount_tyiyn: int
    creditor: BankAccount
    words: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What one file orders the bank to do."""

    message_id: str
    made_at: datetime
    debtor: BankAccount
    payments: tuple[Payment, ...]

    @property
    def total_tyiyn(self) -> int:
        """The sum of its payments."""
        return sum(payment.amount_tyiyn for payment in self.payments)


def message_id(batch: int) -> str:
    """Return the identification of a batch's message."""
    return f"KENCH-{batch:08}"


def end_to_end_id(batch: int, participant_id: int) -> str:
    """Return the identification of one payment: no other ever has it. 0 is the operator."""
    return f"KENCH-{batch:08}-{participant_id:010}"


def render(batch: Batch) -> bytes:
    """Return the document."""
    made_at = batch.made_at.astimezone(BISHKEK).replace(microsecond=0)
    count, total = str(len(batch.payments)), som(batch.total_tyiyn)
    document = pain.Document(
        cstmr_cdt_trf_initn=pain.CustomerCreditTransferInitiationV09(
            grp_hdr=pain.GroupHeader85(
                msg_id=batch.message_id,
                cre_dt_tm=XmlDateTime.from_datetime(made_at),
                nb_of_txs=count,
                ctrl_sum=total,
                initg_pty=_party(batch.debtor),
            ),
            pmt_inf=[
                pain.PaymentInstruction30(
                    pmt_inf_id=batch.message_id,
                    pmt_mtd=pain.PaymentMethod3Code.TRF,
                    # Each payment has an entry of its own in the bank's statement.
                    btch_bookg=False,
                    nb_of_txs=count,
                    ctrl_sum=total,
                    reqd_exctn_dt=pain.DateAndDateTime2Choice(dt=XmlDate.from_date(made_at.date())),
                    dbtr=_party(batch.debtor),
                    dbtr_acct=_account(batch.debtor, CURRENCY),
                    dbtr_agt=_bank(batch.debtor),
                    # What is sent is what arrives.
                    chrg_br=pain.ChargeBearerType1Code.DEBT,
                    cdt_trf_tx_inf=_payments(batch.payments),
                )
            ],
        )
    )
    serializer = XmlSerializer(config=SerializerConfig(encoding="UTF-8", indent="  "))
    return serializer.render(document, ns_map={None: NAMESPACE}).encode()


def som(tyiyn: int) -> Decimal:
    """Return som with two decimals, exactly."""
    return Decimal(tyiyn).scaleb(-2)


def _payments(payments: Sequence[Payment]) -> list[pain.CreditTransferTransaction34]:
    return [
        pain.CreditTransferTransaction34(
            pmt_id=pain.PaymentIdentification6(
                instr_id=payment.end_to_end_id, end_to_end_id=payment.end_to_end_id
            ),
            amt=pain.AmountType4Choice(
                instd_amt=pain.ActiveOrHistoricCurrencyAndAmount(
                    value=som(payment.amount_tyiyn), ccy=CURRENCY
                )
            ),
            cdtr_agt=_bank(payment.creditor),
            cdtr=_party(payment.creditor),
            cdtr_acct=_account(payment.creditor),
            rmt_inf=pain.RemittanceInformation16(ustrd=[payment.words]),
        )
        for payment in payments
    ]


def _party(account: BankAccount) -> pain.PartyIdentification135:
    return pain.PartyIdentification135(nm=account.holder)


def _account(account: BankAccount, currency: str | None = None) -> pain.CashAccount38:
    return pain.CashAccount38(
        id=pain.AccountIdentification4Choice(
            othr=pain.GenericAccountIdentification1(id=account.number)
        ),
        ccy=currency,
    )


def _bank(account: BankAccount) -> pain.BranchAndFinancialInstitutionIdentification6:
    named = (
        pain.FinancialInstitutionIdentification18(
            clr_sys_mmb_id=pain.ClearingSystemMemberIdentification2(mmb_id=account.bank)
        )
        if account.is_domestic
        else pain.FinancialInstitutionIdentification18(bicfi=account.bank)
    )
    return pain.BranchAndFinancialInstitutionIdentification6(fin_instn_id=named)
