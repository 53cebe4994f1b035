"""What a message costs on its way from memory to a gzip file, beside a floor and cryptofeed; and a night's merge."""
