"""What the vendors refuse of a request, in their words: for a strict emulator.

A check is a generator of complaints; the first one is answered. They cover what translators and gateways get wrong, not
all that a vendor checks.
"""
