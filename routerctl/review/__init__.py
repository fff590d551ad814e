"""What people and CI look at: the report, the differences of two tables, the gate."""
