"""Every value of both sides compared, by code that shares nothing with the conversion."""
