"""Electronic signatures of persons: who signed which bytes, checked strictly."""
