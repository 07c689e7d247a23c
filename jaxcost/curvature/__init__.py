"""The second derivatives of C over the whole space of parameters."""
