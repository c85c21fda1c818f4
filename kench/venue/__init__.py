"""`kench venue`: a paper exchange, which takes deposits of a chain and sells them to nobody."""
