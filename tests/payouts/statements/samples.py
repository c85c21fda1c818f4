"""A statement with something of everything in it."""

from dataclasses import replace

from kench.payouts.statements.statement import (
    CoinBalance,
    CoinLine,
    FillLine,
    LotLine,
    MoneyBalance,
    PayoutLine,
    Statement,
)

LOT = LotLine(
    at="2026-11-05T10:20:30+06:00",
    block_hash="ab" * 32,
    height=850_001,
    coinbase_txid="cd" * 32,
    vout=1,
    venue="paper",
    work_hashes=str(2**80),
    amount_sat=187_500_000,
    lot_sold_sat=312_500_000,
    lot_gross_tyiyn=2_734_375_000,
    price_kgs="8750000.00",
    gross_tyiyn=1_640_625_000,
    venue_fee_tyiyn=1_640_625,
    pool_fee_tyiyn=32_812_500,
    net_tyiyn=1_606_171_875,
    fee_order=2,
    fills=(FillLine("t-1", 312_500_000, "8750000", 2_734_375_000, 2_734_375),),
)
STATEMENT = Statement(
    participant_id=7,
    participant_name="ОсОО «Кең-Өзөн Үмүт» <b>&amp;",
    month="2026-11",
    begins="2026-11-01T00:00:00+06:00",
    ends="2026-12-01T00:00:00+06:00",
    is_whole=True,
    coins_opening=CoinBalance(187_500_000, 0),
    coins=(
        CoinLine("2026-11-02T00:00:00+06:00", "matured", "ab" * 32, 850_001, 187_500_000),
        CoinLine("2026-11-05T10:20:30+06:00", "sold", "ab" * 32, 850_001, 187_500_000),
        CoinLine("2026-11-06T00:00:00+06:00", "found", "ef" * 32, 850_900, 5),
        CoinLine("2026-11-07T00:00:00+06:00", "orphaned", "ef" * 32, 850_900, 5),
    ),
    coins_closing=CoinBalance(0, 0),
    money_opening=MoneyBalance(100, 0),
    lots=(LOT,),
    payouts=(
        PayoutLine("2026-11-06T09:00:00+06:00", "ordered", "KENCH-1", 1_606_171_975, "123", ""),
        PayoutLine("2026-11-07T09:00:00+06:00", "rejected", "KENCH-1", 1_606_171_975, "123",
                   "=cmd|' /C calc'!A0"),
        PayoutLine("2026-11-08T09:00:00+06:00", "ordered", "KENCH-2", 1_606_171_975, "123", ""),
        PayoutLine("2026-11-09T09:00:00+06:00", "paid", "KENCH-2", 1_606_171_975, "123", ""),
        PayoutLine("2026-11-10T09:00:00+06:00", "returned", "KENCH-2", 1_606_171_975, "123", ""),
    ),
    money_closing=MoneyBalance(1_606_171_975, 0),
)  # fmt: skip
EMPTY = replace(
    STATEMENT,
    coins_opening=CoinBalance(0, 0),
    coins=(),
    lots=(),
    payouts=(),
    money_opening=MoneyBalance(0, 0),
    money_closing=MoneyBalance(0, 0),
)
