"""Building blocks of the stacks. Each takes what it needs as keyword arguments; none knows the DeployConfig."""
