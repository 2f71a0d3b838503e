// Package handover holds the contract of the service, as it was written.
package handover

import _ "embed" // the contract

// OpenAPI is openapi.yaml.
//
//go:embed openapi.yaml
var OpenAPI []byte
