"""`make sanitize`: the tests that run threads over the compiled core, under ThreadSanitizer and under AddressSanitizer."""
