"""What the tests share: databases of every kind, loads, commands."""
