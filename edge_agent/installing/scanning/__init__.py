"""Who answers on which port: what `scan` asks, and what it makes of the answers."""
