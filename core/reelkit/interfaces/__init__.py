"""What a plugin implements and what it is handed: one file an interface, no behaviour."""
