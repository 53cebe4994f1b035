"""AWS on one machine: moto's S3, and in front of it Athena, Data Exchange and the Marketplace Catalog.

Clients need only the standard environment variable ``AWS_ENDPOINT_URL``. Production code never imports this package.
"""
