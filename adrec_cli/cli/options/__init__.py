"""What commands can be given: flags, declared once and grouped by what they choose."""
