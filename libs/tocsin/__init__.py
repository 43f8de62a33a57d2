"""What workflow authors and clients import: signals, definitions, expressions, the client and the command line.

Light dependencies only; never imports ``tocsin_kit`` or a service.
"""
