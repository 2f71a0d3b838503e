// Package deploy holds the configuration of what stands around the service when it runs as many processes: PgBouncer and
// nginx. docker-compose.yml, `make scale` and the tests use the same files.
package deploy

import _ "embed" // the files

// PgBouncer is pgbouncer.ini.
//
//go:embed pgbouncer.ini
var PgBouncer string

// Nginx is nginx.conf.
//
//go:embed nginx.conf
var Nginx string
