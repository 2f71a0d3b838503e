// Package migrations holds the schema as golang-migrate files.
package migrations

import "embed"

// Files are the migrations, NNNNNN_name.up.sql and .down.sql.
//
//go:embed *.sql
var Files embed.FS
