"""Networks: the catalogue, loading, the compact architecture and the weights that ship."""
