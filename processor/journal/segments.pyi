"""The segment files of the embedded journal; all of it is for the modules beside it, in C (segments.pxd)."""
