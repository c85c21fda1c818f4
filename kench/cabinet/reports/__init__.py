"""Reports of participants to the authorised body: forms as data, periods, filings, who is late."""
