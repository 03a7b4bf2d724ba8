"""Where exports are published: local files and folders, S3."""
