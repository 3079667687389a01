"""The vocabulary that every part shares: data, parameters, errors."""
