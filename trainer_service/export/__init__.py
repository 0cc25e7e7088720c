"""From a trained network to a version in the model store: the graph, its export, and the gate before it."""
