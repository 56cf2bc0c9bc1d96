"""One file a command; `edge_agent.cli` imports only the one that is called."""
