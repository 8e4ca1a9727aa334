"""What people see: tables, lines and progress on the terminal."""
