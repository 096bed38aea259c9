"""The archive: what meters sent, unchanged, on disk, before anybody else sees it."""
