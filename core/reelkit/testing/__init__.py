"""For plugin authors: real servers, sample media and the conformance suites, to be used from pytest."""
