"""Running it: logs, metrics, health, and what every request gets whoever answers it."""
