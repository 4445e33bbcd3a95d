"""What the site knows: projects, keys, videos and all that belongs to them. One file a resource; no HTTP here."""
