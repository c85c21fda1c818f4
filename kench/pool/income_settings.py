"""Settings of income for the tax service: who reports, and by which schema."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, field_validator


class IncomeSettings(BaseModel):
    """Those of `Settings` that the file of a period's income reads."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    income_carf_schema: Path | None = None
    """Income: the OECD's schema of CARF messages (`CARFXML_v1.5.xsd`, beside it the files that it
    names): a period's file is made only if its message holds to it. Unset: it is not checked."""
    income_reporter: str = "Kench"
    """Income: name of the operator that reports, in CARF messages."""
    income_reporter_tax_number: str | None = None
    """Income: its tax number."""
    income_reporter_address: str = "KG"
    """Income: its address."""

    @field_validator("income_carf_schema")
    @classmethod
    def _resolve_carf_schema(cls, value: Path | None) -> Path | None:
        return value and value.expanduser().resolve()
