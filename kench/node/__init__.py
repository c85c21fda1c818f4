"""`kench node`: a development node on Bitcoin Core's consensus code, regtest only."""
