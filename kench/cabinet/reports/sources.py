"""What a form may be filled from: names of the system's own data, and what they are. Pure."""

from collections.abc import Mapping

from kench.cabinet.reports.form import FieldType

EQUIPMENT_COLUMNS: Mapping[str, FieldType] = {
    "model": FieldType.TEXT,
    "quantity": FieldType.INTEGER,
    "hashrate_ths": FieldType.DECIMAL,
    "power_w": FieldType.INTEGER,
    "planned_kwh": FieldType.INTEGER,
    "site": FieldType.TEXT,
}
SOURCES: Mapping[str, FieldType] = {
    # Of the statistics.
    "days_mined": FieldType.INTEGER,
    "work_hashes": FieldType.DECIMAL,
    "hashrate_ths": FieldType.DECIMAL,
    "uptime_percent": FieldType.DECIMAL,
    # Of the Electronic Register, as it stood when the period ended.
    "tax_number": FieldType.TEXT,
    "certificate": FieldType.TEXT,
    "machines": FieldType.INTEGER,
    "hashrate_declared_ths": FieldType.DECIMAL,
    "power_w": FieldType.INTEGER,
    "planned_kwh": FieldType.INTEGER,
    "equipment": FieldType.TABLE,
    # Of the income records, which are the ledger's.
    "accrued_sat": FieldType.SATOSHI,
    "sold_sat": FieldType.SATOSHI,
    "gross_tyiyn": FieldType.TYIYN,
    "venue_fee_tyiyn": FieldType.TYIYN,
    "pool_fee_tyiyn": FieldType.TYIYN,
    "net_tyiyn": FieldType.TYIYN,
    "paid_tyiyn": FieldType.TYIYN,
}
