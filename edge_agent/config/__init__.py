"""The one TOML file of a box: what it may say, checked completely, and how it is signed."""
