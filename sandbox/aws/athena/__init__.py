"""Amazon Athena: real SQL over the sandbox's S3, run by DuckDB."""
