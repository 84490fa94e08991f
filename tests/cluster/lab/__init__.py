"""Real processes in namespaces: nodes on a bridge, and the programs that run on them."""
