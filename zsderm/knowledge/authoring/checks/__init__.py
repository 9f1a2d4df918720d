"""What a machine can see of a good knowledge base: one module for each kind of check behind ``zsderm kb validate``."""
