"""Generated from the contract by sdk/generate; not to be edited, and no stable API."""
