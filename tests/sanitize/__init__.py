"""`make sanitize`: the tests that run threads over the compiled core, under Thread- and AddressSanitizer."""
