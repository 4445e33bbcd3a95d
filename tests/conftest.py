"""What every test may ask for: real servers and sample media."""

pytest_plugins = ["reelkit.testing.fixtures", "reelkit.testing.databases"]
