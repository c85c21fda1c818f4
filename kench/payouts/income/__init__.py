"""Income for the tax service: records of participants' days, periods, corrections, the file."""
