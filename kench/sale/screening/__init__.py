"""AML/KYT checks of coins before their sale (D27): the port, its HTTP adapter, the decision."""
