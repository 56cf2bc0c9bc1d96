"""What box, receiver and bank must agree on, byte for byte: statements, chains, receipts, the verifier.

Needs `cryptography` and `cbor2`, nothing else. Import the modules by name; nothing is re-exported here.
"""

__version__ = "0.1.0"
