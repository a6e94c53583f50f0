"""Great Expectations: the suites, their files, and the process that judges by them."""
