"""What a user gives: options, specs, rows of a file, and the error that names them."""
