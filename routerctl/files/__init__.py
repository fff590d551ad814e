"""How files are read and written: strict YAML and JSON with lines, and dataclasses as their schemas."""
