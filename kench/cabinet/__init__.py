"""What people see: the register's side of people, and their personal cabinet (D2, D3)."""
