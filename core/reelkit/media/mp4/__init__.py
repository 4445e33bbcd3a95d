"""MP4 and MOV: read a file's sample tables once, then cut CMAF segments out of its bytes."""
