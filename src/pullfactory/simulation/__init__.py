"""How events come to be: response, dependence, toys."""
