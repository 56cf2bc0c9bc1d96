"""A workshop that comes alive on one computer: `scripts/demo`. Everything in it is the real thing but the machines."""
